"""The arrows between packages that docs/architecture.md draws, checked in every build.

.bazelrc applies `dependency_laws` to whatever is built, so that a new target cannot escape by not
being listed anywhere. A target that breaks a law fails its analysis, with the path that breaks it.
To add a law, add a line to LAWS.
"""

def law(of, forbids, because, allows = [], free = [], libraries_only = False):
    """States what targets may not reach.

    Args:
      of: the package (with those below it) whose targets are bound.
      forbids: packages (with those below them), targets or repositories that they may not reach.
      because: the reason, for who meets the law first in an error.
      allows: exceptions from forbids.
      free: packages (with those below them) of `of` that are not bound.
      libraries_only: whether binaries and test-only targets are free.

    Returns:
      The law.
    """
    return struct(
        of = of,
        forbids = forbids,
        because = because,
        allows = allows,
        free = free,
        libraries_only = libraries_only,
    )

LAWS = [
    law(
        of = "//mmapcore",
        forbids = ["@grpc//", "@protobuf//", "@googleapis//", "//control", "//agents"],
        because = "the data plane knows no RPC, so that no process needs RPC to move bytes",
    ),
    law(
        of = "//agents",
        allows = ["//control/api"],
        because = "an agent knows the coordinator by its wire contract alone",
        forbids = ["//control"],
        free = ["//agents/cli"],  # The command line embeds a coordinator.
        libraries_only = True,
    ),
    law(
        of = "//control",
        because = "the coordinator is off the data path, and serves agents in any language",
        forbids = ["//agents", "//mmapcore:lane_reader", "//mmapcore:lane_writer"],
        libraries_only = True,
    ),
]

# Bound by its own test: see BUILD.bazel.
PLANTED_LAW = law(
    of = "//tools/laws",
    allows = ["//tools/sanitizers"],
    because = "this proves that broken laws are found",
    forbids = ["@grpc//", "//tools"],
    libraries_only = True,
)

def _within(label, scopes):
    """Whether a label, as a string, lies in one of the packages or repositories."""
    for scope in scopes:
        if label == scope or label.startswith(scope if scope.endswith("//") else scope + ":"):
            return True
        if label.startswith(scope + "/"):
            return True
    return False

ReachInfo = provider(
    doc = "What a target reaches of that which any law forbids.",
    fields = {"paths": "label to the path that leads there, as strings"},
)

_EDGES = ["actual", "data", "deps", "srcs"]

_FORBIDDEN = PLANTED_LAW.forbids + [scope for law in LAWS for scope in law.forbids]

def _reach(target, ctx):
    here = str(target.label)
    paths = {}
    for edge in _EDGES:
        neighbours = getattr(ctx.rule.attr, edge, [])
        for neighbour in neighbours if type(neighbours) == "list" else [neighbours]:
            if type(neighbour) == "Target" and ReachInfo in neighbour:
                for label, path in neighbour[ReachInfo].paths.items():
                    paths[label] = here + "\n    -> " + path
    if _within(here, _FORBIDDEN):
        paths[here] = here
    return ReachInfo(paths = paths)

def _broken(law, label, is_library, paths):
    """Finds how a target breaks a law.

    Args:
      law: one of LAWS.
      label: the target, as a string.
      is_library: whether it is a library that is not test-only.
      paths: its ReachInfo.paths.

    Returns:
      The paths from the target to what it may not reach.
    """
    if not _within(label, [law.of]) or _within(label, law.free):
        return []
    if law.libraries_only and not is_library:
        return []
    return [
        path
        for reached, path in paths.items()
        if _within(reached, law.forbids) and
           not _within(reached, law.allows + [law.of])
    ]

def _is_library(ctx):
    return ctx.rule.kind == "cc_library" and not ctx.rule.attr.testonly

def _dependency_laws_impl(target, ctx):
    reach = _reach(target, ctx)
    for law in LAWS:
        for path in _broken(law, str(target.label), _is_library(ctx), reach.paths):
            fail("\n\n%s may not reach %s: %s.\n\n    %s\n" % (
                law.of,
                " or ".join(law.forbids),
                law.because,
                path,
            ))
    return [reach]

dependency_laws = aspect(
    implementation = _dependency_laws_impl,
    attr_aspects = _EDGES,
    doc = "Fails the analysis of a target that breaks one of LAWS.",
)

_PlantedInfo = provider(
    doc = "How a target breaks PLANTED_LAW.",
    fields = {"broken": "the paths"},
)

def _planted_impl(target, ctx):
    reach = _reach(target, ctx)
    return [reach, _PlantedInfo(
        broken = _broken(PLANTED_LAW, str(target.label), _is_library(ctx), reach.paths),
    )]

_planted = aspect(implementation = _planted_impl, attr_aspects = _EDGES)

def _planted_law_test_impl(ctx):
    found = [path.replace("\n   ", "") for path in ctx.attr.target[_PlantedInfo].broken]
    ok = found == ctx.attr.breaks
    script = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(script, is_executable = True, content = "\n".join([
        "#!/bin/sh",
        "cat <<'EOF'",
        "expected: %r" % ctx.attr.breaks,
        "found:    %r" % found,
        "EOF",
        "exit %d\n" % (0 if ok else 1),
    ]))
    return [DefaultInfo(executable = script)]

planted_law_test = rule(
    implementation = _planted_law_test_impl,
    attrs = {
        "breaks": attr.string_list(doc = "The expected paths."),
        "target": attr.label(aspects = [_planted], mandatory = True),
    },
    doc = "Compares the paths by which a target breaks PLANTED_LAW with those expected.",
    test = True,
)
