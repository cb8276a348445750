"""C++ code, gRPC stubs and descriptor sets from .proto files.

    cc_proto_grpc_library(
        name = "agents",
        srcs = ["agents.proto"],
        grpc = True,
        deps = [":frames"],
    )

gives `:agents` for C++ (`#include "control/api/v1/agents.grpc.pb.h"`) and `:agents_proto`, a
proto_library whose default output is the descriptor set.
"""

def _generated_cc_impl(ctx):
    proto = ctx.attr.proto[ProtoInfo]

    # A folder of its own keeps the headers off the workspace's include path, so that they are
    # found as system headers only.
    folder = ctx.label.name
    hdrs = []
    srcs = []
    for src in proto.direct_sources:
        path = src.path
        if proto.proto_source_root != ".":
            path = path[len(proto.proto_source_root) + 1:]
        stem = folder + "/" + path[:-len(".proto")]
        for kind in [".pb"] + ([".grpc.pb"] if ctx.attr.grpc else []):
            hdrs.append(ctx.actions.declare_file(stem + kind + ".h"))
            srcs.append(ctx.actions.declare_file(stem + kind + ".cc"))
    parts = [ctx.bin_dir.path, ctx.label.workspace_root, ctx.label.package, folder]
    out = "/".join([part for part in parts if part])

    args = ctx.actions.args()
    args.add("--cpp_out=" + out)
    if ctx.attr.grpc:
        args.add(ctx.executable._grpc_cpp_plugin, format = "--plugin=protoc-gen-grpc=%s")
        args.add("--grpc_out=" + out)
    args.add_all(proto.transitive_proto_path, format_each = "-I%s")
    args.add_all(proto.direct_sources)
    ctx.actions.run(
        executable = ctx.executable._protoc,
        tools = [ctx.executable._grpc_cpp_plugin],
        inputs = proto.transitive_sources,
        outputs = hdrs + srcs,
        arguments = [args],
        mnemonic = "GenerateProtoCc",
        progress_message = "Generating C++ from %s" % ctx.label,
    )
    return [
        DefaultInfo(files = depset(srcs)),
        OutputGroupInfo(hdrs = depset(hdrs)),
    ]

_generated_cc = rule(
    implementation = _generated_cc_impl,
    attrs = {
        "proto": attr.label(providers = [ProtoInfo], mandatory = True),
        "grpc": attr.bool(),
        "_protoc": attr.label(
            default = "@protobuf//:protoc",
            allow_single_file = True,
            cfg = "exec",
            executable = True,
        ),
        "_grpc_cpp_plugin": attr.label(
            default = "@grpc//:grpc_cpp_plugin",
            allow_single_file = True,
            cfg = "exec",
            executable = True,
        ),
    },
)

def _proto_of(label):
    if ":" in label:
        return label + "_proto"
    return label + ":" + label.split("/")[-1] + "_proto"

def cc_proto_grpc_library(name, srcs, deps = [], grpc = False, visibility = None, testonly = None):
    """Builds .proto files into a C++ library.

    Args:
      name: the C++ library; `<name>_proto` is the proto_library (descriptor set).
      srcs: .proto files of this package.
      deps: other cc_proto_grpc_library targets that srcs import. google/protobuf/*.proto is there.
      grpc: whether to generate service stubs too.
      visibility: of both targets.
      testonly: of both targets.
    """
    native.proto_library(
        name = name + "_proto",
        srcs = srcs,
        testonly = testonly,
        visibility = visibility,
        deps = [_proto_of(dep) for dep in deps] + ["@protobuf//:well_known_protos"],
    )
    generated = name + ".generated"
    _generated_cc(
        name = generated,
        grpc = grpc,
        proto = name + "_proto",
        testonly = testonly,
        visibility = ["//visibility:private"],
    )
    native.filegroup(
        name = generated + ".hdrs",
        srcs = [generated],
        output_group = "hdrs",
        testonly = testonly,
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = [generated],
        hdrs = [generated + ".hdrs"],
        copts = ["-w"],  # Generated code is not ours to keep free of warnings.
        includes = [generated],
        testonly = testonly,
        visibility = visibility,
        deps = deps + ["@protobuf//:protobuf"] + (["@grpc//:grpc++"] if grpc else []),
    )
