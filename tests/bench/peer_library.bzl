"""Peers whose packages may not be installed."""

def peer_library(name, installed, deps, copts = []):
    """A peer's library; an empty one where the peer is not installed.

    Whoever depends on it finds CAUSEWAY_BENCH_<NAME> defined if it is there.

    Args:
      name: of the library, its header and its source.
      installed: from the installed.bzl of the peer's repository.
      deps: of the library.
      copts: of its source.
    """
    native.cc_library(
        name = name,
        srcs = [name + ".cc"] if installed else [],
        hdrs = [name + ".h"],
        defines = ["CAUSEWAY_BENCH_" + name.upper()] if installed else [],
        copts = copts,
        deps = deps,
    )
