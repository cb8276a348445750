"""A repository of libraries that the operating system installs, found with pkg-config.

Each library becomes one cc_library, so that BUILD files say which one they use.
"""

_HEADER = """package(default_visibility = ["//visibility:public"])
"""

_LIBRARY = """
cc_library(
    name = {name},
    hdrs = glob({hdrs}),
    defines = {defines},
    includes = {includes},
    linkopts = {linkopts},
)
"""

def _missing(ctx, what):
    fail("\n\n@{repository} needs {what}, which is not installed. Install it with:\n\n    apt-get install {packages}\n".format(
        repository = ctx.name,
        what = what,
        packages = " ".join(ctx.attr.packages),
    ))

def _pkg_config(ctx, args):
    tool = ctx.which("pkg-config")
    if not tool:
        fail("\n\npkg-config is not installed. Install it with:\n\n    apt-get install pkg-config\n")
    return ctx.execute([tool] + args)

def _words(text):
    """Splits on white space; drops repetitions, keeping the last (a linker reads left to right)."""
    words = []
    for word in reversed(text.replace("\n", " ").split(" ")):
        if not word or (word.startswith("-l") and word in words):
            continue
        words.append(word)
    return list(reversed(words))

def _library(ctx, name, module, extra_libs):
    result = _pkg_config(ctx, ["--cflags", "--libs", module])
    if result.return_code != 0:
        _missing(ctx, "the library " + module)
    defines = []
    includes = []
    linkopts = []
    for word in _words(result.stdout):
        if word.startswith("-D"):
            defines.append(word[2:])
        elif word.startswith("-I"):
            # Bazel refuses absolute include folders outside of the repository.
            folder = "include/%s%d" % (name, len(includes))
            ctx.symlink(word[2:], folder)
            includes.append(folder)
        elif word != "-pthread":
            linkopts.append(word)
        else:
            linkopts.append("-lpthread")
    linkopts = ["-l" + lib for lib in extra_libs] + linkopts
    if linkopts:
        # pkg-config names every transitive library; record only those that are used.
        linkopts = ["-Wl,--push-state,--as-needed"] + linkopts + ["-Wl,--pop-state"]
    return _LIBRARY.format(
        name = repr(name),
        hdrs = repr([folder + "/**" for folder in includes]),
        defines = repr(defines),
        includes = repr(includes),
        linkopts = repr(linkopts),
    )

def _modules(ctx):
    modules = dict(ctx.attr.modules)
    if ctx.attr.module_prefix:
        listed = _pkg_config(ctx, ["--list-all"]).stdout.splitlines()
        for line in sorted(listed):
            module = line.split(" ")[0]
            if module.startswith(ctx.attr.module_prefix):
                modules[module[len(ctx.attr.module_prefix):]] = module
        if not modules:
            _missing(ctx, "libraries named %s*" % ctx.attr.module_prefix)
    return modules

def _system_library_impl(ctx):
    build = [_HEADER]
    for name, module in _modules(ctx).items():
        build.append(_library(ctx, name, module, ctx.attr.extra_libs.get(name, [])))
    for program in ctx.attr.programs:
        path = ctx.which(program)
        if not path:
            _missing(ctx, "the program " + program)
        ctx.symlink(path, program)
        build.append("\nexports_files([%r])\n" % program)
    if ctx.attr.build_file_content:
        build.append(ctx.attr.build_file_content)
    for folder, link in ctx.attr.folders.items():
        if not ctx.path(folder).exists:
            _missing(ctx, "the folder " + folder)
        ctx.symlink(folder, link)
    ctx.file("BUILD.bazel", "".join(build))

system_library = repository_rule(
    implementation = _system_library_impl,
    configure = True,
    environ = ["PKG_CONFIG_PATH"],
    attrs = {
        "packages": attr.string_list(
            mandatory = True,
            doc = "Debian packages to install if something is missing.",
        ),
        "modules": attr.string_dict(doc = "Target name to pkg-config module."),
        "module_prefix": attr.string(
            doc = "Adds a target for every installed module with this prefix, which is dropped.",
        ),
        "extra_libs": attr.string_list_dict(
            doc = "Target name to libraries that have no pkg-config module of their own.",
        ),
        "programs": attr.string_list(doc = "Programs to export, found on PATH."),
        "folders": attr.string_dict(
            doc = "Folders of the system to link into the repository: path to name.",
        ),
        "build_file_content": attr.string(doc = "More targets."),
    },
)
