"""Programs with their crash points compiled in, next to the same programs without."""

def _turn_on_impl(_settings, _attr):
    return {"//mmapcore:crash_points": True}

_turn_on = transition(
    implementation = _turn_on_impl,
    inputs = [],
    outputs = ["//mmapcore:crash_points"],
)

def _with_crash_points_impl(ctx):
    links = []
    for program in ctx.attr.srcs:
        files = program[DefaultInfo].files_to_run
        link = ctx.actions.declare_file("%s/%s" % (ctx.label.name, files.executable.basename))
        ctx.actions.symlink(output = link, target_file = files.executable, is_executable = True)
        links.append(link)
    return [DefaultInfo(
        files = depset(links),
        runfiles = ctx.runfiles(files = links),
    )]

with_crash_points = rule(
    implementation = _with_crash_points_impl,
    attrs = {
        "srcs": attr.label_list(
            cfg = _turn_on,
            doc = "The programs. Each is found under its own name in a folder of the rule's name.",
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    doc = "Builds programs, and everything that they are made of, with //mmapcore:crash_points on.",
)
