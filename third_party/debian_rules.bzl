"""Bazel's own rule repositories, taken from Debian's packages instead of downloads."""

_ROOT = "/usr/share/bazel/"

def _require(ctx, path, package):
    if not ctx.path(path).exists:
        fail("\n\n%s is missing. Install it with:\n\n    apt-get install %s\n" % (path, package))

def _copied(ctx, path, package):
    _require(ctx, path, package)
    result = ctx.execute(["cp", "-R", path + "/.", "."])
    if result.return_code != 0:
        fail("copying %s failed: %s" % (path, result.stderr))

def _packaged_rules_impl(ctx):
    _copied(ctx, ctx.attr.path, ctx.attr.package)

packaged_rules = repository_rule(
    implementation = _packaged_rules_impl,
    doc = "A rule repository that a Debian package installs.",
    attrs = {
        "path": attr.string(mandatory = True),
        "package": attr.string(mandatory = True),
    },
)

# Debian's rules_cc is newer than its Bazel: two files load use_cpp_toolchain, which Bazel 4.2 lacks.
_NEEDS_TOOLCHAIN_TYPE = [
    "cc/private/rules_impl/cc_flags_supplier.bzl",
    "cc/private/rules_impl/compiler_flag.bzl",
]

def _packaged_rules_cc_impl(ctx):
    _copied(ctx, _ROOT + "rules/cc", "bazel-rules-cc")
    for path in _NEEDS_TOOLCHAIN_TYPE:
        text = ctx.read(path)
        text = text.replace('"find_cpp_toolchain", "use_cpp_toolchain"', '"find_cpp_toolchain"')
        text = text.replace(
            "use_cpp_toolchain()",
            '["@bazel_tools//tools/cpp:toolchain_type"]',
        )
        ctx.file(path, text)

packaged_rules_cc = repository_rule(
    implementation = _packaged_rules_cc_impl,
    doc = "Debian's rules_cc, made loadable by Debian's Bazel.",
)

def _no_coverage_tools_impl(ctx):
    ctx.file("BUILD.bazel", """
package(default_visibility = ["//visibility:public"])

filegroup(name = "coverage_report_generator")

filegroup(name = "lcov_merger")
""")

# `bazel test` resolves these labels even when no coverage is asked for.
_no_coverage_tools = repository_rule(implementation = _no_coverage_tools_impl)

def debian_rules():
    """Declares the repositories that Bazel would otherwise download."""
    packaged_rules_cc(name = "rules_cc")
    packaged_rules(
        name = "rules_java",
        package = "bazel-rules-java",
        path = _ROOT + "rules/java",
    )
    packaged_rules(
        name = "rules_proto",
        package = "bazel-rules-proto",
        path = _ROOT + "rules/proto",
    )
    packaged_rules(
        name = "bazel_skylib",
        package = "bazel-skylib",
        path = _ROOT + "tools/skylib",
    )
    packaged_rules(
        name = "platforms",
        package = "bazel-platforms",
        path = _ROOT + "tools/platforms",
    )
    _no_coverage_tools(name = "remote_coverage_tools")
