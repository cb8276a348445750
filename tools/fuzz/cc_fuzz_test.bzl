"""Fuzzers that are also ordinary tests.

    cc_fuzz_test(
        name = "frame_fuzz",
        srcs = ["frame_fuzz.cc"],  # Defines LLVMFuzzerTestOneInput().
        corpus = ["testdata/torn_frame.bin"],
        deps = [":frame"],
    )

`bazel test` runs the corpus and a fixed number of pseudo-random inputs, the same in every run.
`bazel run --config=fuzz //mmapcore:frame_fuzz -- -max_total_time=600` searches with libFuzzer.
"""

def cc_fuzz_test(name, srcs, deps = [], corpus = [], runs = 20000, **kwargs):
    """A cc_test around LLVMFuzzerTestOneInput().

    Args:
      name: by custom, what it fuzzes + "_fuzz".
      srcs: the fuzzer.
      deps: as for cc_test.
      corpus: files that hold one input each.
      runs: pseudo-random inputs of `bazel test`.
      **kwargs: passed to cc_test.
    """
    inputs = ["$(rootpath %s)" % file for file in corpus]
    searching = "//tools/fuzz:searching"
    native.cc_test(
        name = name,
        srcs = srcs,
        args = select({
            searching: ["-max_total_time=60"] +
                       (["-seed_inputs=" + ",".join(inputs)] if inputs else []),
            "//conditions:default": ["--runs=%d" % runs] + inputs,
        }),
        data = corpus,
        linkopts = select({
            searching: ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps + select({
            searching: [],
            "//conditions:default": ["//tools/fuzz:replay_main"],
        }),
        **kwargs
    )
