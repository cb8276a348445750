"""A library that only benchmarks use: where it is not installed, they leave out what needs it.

The repository has a cc_library of its own name (empty if the library is not installed), and
`installed.bzl` with INSTALLED, True or False.
"""

_BUILD = """package(default_visibility = ["//visibility:public"])

cc_library(
    name = {name},
    hdrs = glob({hdrs}),
    includes = {includes},
    linkopts = {linkopts},
)
"""

def _optional_library_impl(ctx):
    installed = True
    for header in ctx.attr.headers:
        installed = installed and ctx.path(header).exists
    includes = []
    if installed:
        for folder in ctx.attr.include_folders:
            # Bazel refuses absolute include folders outside of the repository.
            link = "include%d" % len(includes)
            ctx.symlink(folder, link)
            includes.append(link)
    ctx.file("installed.bzl", '"""Generated."""\n\nINSTALLED = %s\n' % installed)
    ctx.file("BUILD.bazel", _BUILD.format(
        name = repr(ctx.name),
        hdrs = repr([folder + "/**" for folder in includes]),
        includes = repr(includes),
        linkopts = repr(["-l" + lib for lib in ctx.attr.libs] if installed else []),
    ))

optional_library = repository_rule(
    implementation = _optional_library_impl,
    configure = True,
    # After installing or removing packages, `bazel sync --configure` makes Bazel look again.
    attrs = {
        "headers": attr.string_list(
            mandatory = True,
            doc = "Files that are all there if, and only if, the library is installed.",
        ),
        "include_folders": attr.string_list(doc = "Beyond those that the compiler knows."),
        "libs": attr.string_list(doc = "What to link."),
    },
)
