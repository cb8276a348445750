#include "tests/faults/crash_books.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "control/api/v1/admin.grpc.pb.h"

namespace causeway::faults {
namespace {

uint64_t CountEntries(const std::string& folder) {
  uint64_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    ++count;
  }
  return count;
}

uint64_t AllocatedBytes(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    struct stat info = {};
    if (lstat(entry->path().c_str(), &info) == 0)
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

// Those that the program starts: they have its name, or one that begins so. gRPC has as many
// threads as it sees fit, with names of its own.
uint64_t CountThreads(pid_t pid) {
  uint64_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(absl::StrCat("/proc/", pid, "/task"), error), end;
       !error && entry != end; entry.increment(error)) {
    std::string name;
    std::ifstream(entry->path() / "comm") >> name;
    if (absl::StartsWith(name, "causeway")) ++count;
  }
  return count;
}

absl::Status ToStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

absl::StatusOr<CrashBooks> ReadCrashBooks(const std::string& dir, const std::string& volatile_dir,
                                          const std::string& stream, pid_t pid) {
  CrashBooks books;
  {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const std::unique_ptr<v1::Admin::Stub> admin = v1::Admin::NewStub(grpc::CreateCustomChannel(
        absl::StrCat("unix:", dir, "/admin.sock"), grpc::InsecureChannelCredentials(), arguments));
    grpc::Status status;
    const auto call = [&](auto method, const auto& request, auto* response) {
      if (!status.ok()) return;
      grpc::ClientContext context;
      status = (admin.get()->*method)(&context, request, response);
    };
    v1::DescribeCoordinatorResponse coordinator;
    v1::ListAgentsResponse agents;
    v1::ListFilesResponse files;
    v1::ListExtentsResponse extents;
    v1::DescribeStreamResponse described;
    v1::DescribeStreamRequest of_stream;
    of_stream.set_name(stream);
    call(&v1::Admin::Stub::DescribeCoordinator, v1::DescribeCoordinatorRequest(), &coordinator);
    call(&v1::Admin::Stub::ListAgents, v1::ListAgentsRequest(), &agents);
    call(&v1::Admin::Stub::ListFiles, v1::ListFilesRequest(), &files);
    call(&v1::Admin::Stub::ListExtents, v1::ListExtentsRequest(), &extents);
    call(&v1::Admin::Stub::DescribeStream, of_stream, &described);
    if (!status.ok()) return ToStatus(status);
    books.agents = static_cast<uint64_t>(agents.agents_size());
    books.files = static_cast<uint64_t>(files.files_size());
    books.extents = static_cast<uint64_t>(extents.extents_size());
    books.lanes = static_cast<uint64_t>(described.lanes_size());
    books.cursors = static_cast<uint64_t>(described.cursors_size());
    books.granted_bytes = coordinator.granted_bytes();
  }
  books.files_on_disk = CountEntries(dir + "/files");
  books.files_in_memory = CountEntries(volatile_dir + "/files");
  books.bytes_in_memory = AllocatedBytes(volatile_dir + "/files");
  books.descriptors = CountEntries(absl::StrCat("/proc/", pid, "/fd"));
  books.threads = CountThreads(pid);
  return books;
}

bool NothingLeft(const CrashBooks& now, const CrashBooks& baseline) {
  return now.agents <= baseline.agents && now.files <= baseline.files &&
         now.extents <= baseline.extents && now.lanes <= baseline.lanes &&
         now.cursors <= baseline.cursors && now.granted_bytes <= baseline.granted_bytes &&
         now.files_on_disk <= baseline.files_on_disk &&
         now.files_in_memory <= baseline.files_in_memory &&
         now.bytes_in_memory <= baseline.bytes_in_memory &&
         now.descriptors <= baseline.descriptors && now.threads <= baseline.threads;
}

std::string ToText(const CrashBooks& books) {
  return absl::StrFormat(
      "%d agents, %d files, %d extents, %d lanes, %d cursors, %d bytes granted; %d files on disk, "
      "%d in memory with %d bytes; %d descriptors, %d threads",
      books.agents, books.files, books.extents, books.lanes, books.cursors, books.granted_bytes,
      books.files_on_disk, books.files_in_memory, books.bytes_in_memory, books.descriptors,
      books.threads);
}

}  // namespace causeway::faults
