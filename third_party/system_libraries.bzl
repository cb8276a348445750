"""Every library that Causeway takes from the operating system."""

load("//third_party:optional_library.bzl", "optional_library")
load("//third_party:system_library.bzl", "system_library")

_WELL_KNOWN_PROTOS = """
proto_library(
    name = "well_known_protos",
    srcs = glob(["google/protobuf/*.proto"]),
)
"""

# google.rpc.Status and the messages of rich errors. Debian has their .proto files in a Go package.
_GOOGLE_RPC = "/usr/share/gocode/src/github.com/gogo/googleapis/google/rpc"

_GOOGLE_RPC_LIBRARY = """
load("@causeway//third_party/proto:cc_proto_grpc_library.bzl", "cc_proto_grpc_library")

cc_proto_grpc_library(
    name = "rpc",
    srcs = [
        "google/rpc/code.proto",
        "google/rpc/error_details.proto",
        "google/rpc/status.proto",
    ],
)
"""

def system_libraries():
    """Declares one repository per system library."""
    system_library(
        name = "absl",
        module_prefix = "absl_",
        packages = ["libabsl-dev"],
    )
    system_library(
        name = "benchmark",
        modules = {"benchmark": "benchmark"},
        packages = ["libbenchmark-dev"],
    )
    system_library(
        name = "cli11",
        modules = {"cli11": "CLI11"},
        packages = ["libcli11-dev"],
    )
    system_library(
        name = "googleapis",
        build_file_content = _GOOGLE_RPC_LIBRARY,
        folders = {_GOOGLE_RPC: "google/rpc"},
        packages = ["golang-github-gogo-googleapis-dev"],
    )
    system_library(
        name = "googletest",
        modules = {
            "gmock": "gmock",
            "gmock_main": "gmock_main",
            "gtest": "gtest",
            "gtest_main": "gtest_main",
        },
        packages = ["libgtest-dev", "libgmock-dev"],
    )
    system_library(
        name = "grpc",
        extra_libs = {
            "grpc++_error_details": ["grpc++_error_details"],
            "grpc++_reflection": ["grpc++_reflection"],
        },
        modules = {
            "grpc++": "grpc++",
            "grpc++_error_details": "grpc++",
            "grpc++_reflection": "grpc++",
        },
        packages = ["libgrpc++-dev", "protobuf-compiler-grpc"],
        programs = ["grpc_cpp_plugin"],
    )
    system_library(
        name = "nlohmann_json",
        modules = {"json": "nlohmann_json"},
        packages = ["nlohmann-json3-dev"],
    )
    system_library(
        name = "openssl",
        modules = {
            "crypto": "libcrypto",
            "ssl": "libssl",
        },
        packages = ["libssl-dev"],
    )
    system_library(
        name = "protobuf",
        build_file_content = _WELL_KNOWN_PROTOS,
        folders = {"/usr/include/google/protobuf": "google/protobuf"},
        modules = {"protobuf": "protobuf"},
        packages = ["libprotobuf-dev", "protobuf-compiler"],
        programs = ["protoc"],
    )
    system_library(
        name = "smartcols",
        modules = {"smartcols": "smartcols"},
        packages = ["libsmartcols-dev"],
    )
    system_library(
        name = "spdlog",
        modules = {"spdlog": "spdlog"},
        packages = ["libspdlog-dev"],
    )
    system_library(
        name = "spin",
        packages = ["spin"],
        programs = ["spin"],
    )
    system_library(
        name = "sqlite",
        modules = {"sqlite3": "sqlite3"},
        packages = ["libsqlite3-dev"],
    )

def optional_libraries():
    """Declares one repository per library that only benchmarks use (tools/packages-bench.txt)."""
    optional_library(
        name = "boost",
        headers = [
            "/usr/include/boost/histogram.hpp",
            "/usr/include/boost/interprocess/ipc/message_queue.hpp",
        ],
    )
    optional_library(
        name = "fastdds",
        headers = [
            "/usr/include/fastcdr/Cdr.h",
            "/usr/include/fastdds/dds/publisher/DataWriter.hpp",
        ],
        libs = [
            "fastrtps",
            "fastcdr",
        ],
    )
    optional_library(
        name = "iceoryx",
        headers = [
            "/usr/include/iceoryx/v2.0.3/iceoryx_hoofs/cxx/string.hpp",
            "/usr/include/iceoryx/v2.0.3/iceoryx_posh/popo/untyped_publisher.hpp",
        ],
        include_folders = ["/usr/include/iceoryx/v2.0.3"],
        libs = [
            "iceoryx_posh",
            "iceoryx_hoofs",
            "iceoryx_platform",
        ],
    )
    optional_library(
        name = "zeromq",
        headers = ["/usr/include/zmq.h"],
        libs = ["zmq"],
    )
