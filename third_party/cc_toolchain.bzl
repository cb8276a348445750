"""The C++ toolchain that Bazel finds by itself, with the flags of each compilation mode set here.

Flags given by --copt come after those of the compilation mode and would override all three.
"""

load("@bazel_tools//tools/cpp:cc_configure.bzl", "cc_autoconf_impl")

def _replaced(text, old, new):
    if old not in text:
        fail("The detected C++ toolchain does not contain %r; adapt third_party/cc_toolchain.bzl." % old)
    return text.replace(old, new)

def _system_cc_toolchain_impl(ctx):
    cc_autoconf_impl(ctx)
    build = ctx.read("BUILD")

    # fastbuild: tests should not crawl. (compile_flags come first, so the modes below override.)
    build = _replaced(build, "\n    compile_flags = [", '\n    compile_flags = ["-O2", ')
    build = _replaced(build, 'dbg_compile_flags = ["-g"]', 'dbg_compile_flags = ["-O0", "-g"]')

    # opt: any x86-64 since 2009 has v2 (SSE4.2 with CRC32C, POPCNT).
    opt = ['"-O3"']
    if ctx.execute(["uname", "-m"]).stdout.strip() == "x86_64":
        opt.append('"-march=x86-64-v2"')
    build = _replaced(build, '    "-O2",\n', "    %s,\n" % ", ".join(opt))
    build = _replaced(build, '"-std=c++0x"', '"-std=c++20"')
    ctx.file("BUILD", build)

system_cc_toolchain = repository_rule(
    implementation = _system_cc_toolchain_impl,
    configure = True,
    environ = ["BAZEL_COMPILER", "BAZEL_CXXOPTS", "BAZEL_LINKOPTS", "BAZEL_LINKLIBS", "CC", "CPLUS_INCLUDE_PATH", "GCOV"],
)
