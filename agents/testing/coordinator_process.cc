#include "agents/testing/coordinator_process.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/api/v1/admin.grpc.pb.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

std::unique_ptr<v1::Admin::Stub> AdminOf(const std::string& dir) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::Admin::NewStub(grpc::CreateCustomChannel(
      absl::StrCat("unix:", dir, "/admin.sock"), grpc::InsecureChannelCredentials(), arguments));
}

absl::Status ToStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

v1::DescribeCoordinatorResponse Describe(const std::string& dir) {
  v1::DescribeCoordinatorResponse response;
  grpc::ClientContext context;
  const grpc::Status status =
      AdminOf(dir)->DescribeCoordinator(&context, v1::DescribeCoordinatorRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

std::string MakeDirectory(const std::string& parent) {
  std::string path = parent + "/causeway-test-XXXXXX";
  EXPECT_NE(mkdtemp(path.data()), nullptr) << path;
  return path;
}

std::string VolatileParent() {
  const char* asked_for = std::getenv("CAUSEWAY_TEST_VOLATILE_DIR");
  return asked_for == nullptr ? "/dev/shm" : asked_for;
}

std::vector<std::filesystem::path> StateFiles(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().filename().string().starts_with("state.db")) files.push_back(entry.path());
  }
  return files;
}

}  // namespace

CoordinatorProcess::CoordinatorProcess(const Parents& parents)
    : parent_(MakeDirectory(parents.dir)),
      dir_(parent_ + "/dir"),
      volatile_dir_(
          MakeDirectory(parents.volatile_dir.empty() ? VolatileParent() : parents.volatile_dir)) {
  Start();
}

CoordinatorProcess::~CoordinatorProcess() {
  Kill();
  std::error_code ignored;
  std::filesystem::remove_all(parent_, ignored);
  std::filesystem::remove_all(volatile_dir_, ignored);
}

void CoordinatorProcess::Kill() { process_.reset(); }

void CoordinatorProcess::Terminate() {
  process_->Signal(SIGTERM);
  EXPECT_EQ(process_->Wait(), 0);
}

void CoordinatorProcess::Start() { Start("control/coordinator"); }

void CoordinatorProcess::Start(const std::string& program) {
  process_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{TestProgram(program), absl::StrCat("--dir=", dir_),
                               absl::StrCat("--volatile_dir=", volatile_dir_),
                               absl::StrCat("--ready_fd=", ChildProcess::kReportFd)});
  ASSERT_NE(process_->ReadLine(), "(end)") << "the coordinator ended before it was ready";
}

void CoordinatorProcess::Stop() {
  process_->Signal(SIGSTOP);
  process_->AwaitStop();
}

void CoordinatorProcess::Continue() { process_->Signal(SIGCONT); }

void CoordinatorProcess::LoseState() {
  std::filesystem::remove_all(dir_);
  for (const auto& entry : std::filesystem::directory_iterator(volatile_dir_)) {
    std::filesystem::remove_all(entry.path());
  }
}

void CoordinatorProcess::SaveState() {
  for (const std::filesystem::path& state : StateFiles(dir_)) {
    std::filesystem::copy(state, std::filesystem::path(parent_) / state.filename());
  }
}

void CoordinatorProcess::RestoreState() {
  for (const std::filesystem::path& state : StateFiles(dir_)) std::filesystem::remove(state);
  for (const std::filesystem::path& state : StateFiles(parent_)) {
    std::filesystem::rename(state, std::filesystem::path(dir_) / state.filename());
  }
}

absl::Status CoordinatorProcess::Evict(uint64_t session_id, const std::string& reason) {
  v1::EvictAgentRequest request;
  request.set_session_id(session_id);
  request.set_reason(reason);
  v1::EvictAgentResponse response;
  grpc::ClientContext context;
  return ToStatus(AdminOf(dir_)->EvictAgent(&context, request, &response));
}

absl::Status CoordinatorProcess::DeleteStream(const std::string& stream) {
  v1::DeleteStreamRequest request;
  request.set_name(stream);
  v1::DeleteStreamResponse response;
  grpc::ClientContext context;
  return ToStatus(AdminOf(dir_)->DeleteStream(&context, request, &response));
}

std::string CoordinatorProcess::Version() { return Describe(dir_).version(); }

uint64_t CoordinatorProcess::GrantedBytes() { return Describe(dir_).granted_bytes(); }

std::vector<std::string> CoordinatorProcess::Agents() {
  v1::ListAgentsResponse response;
  grpc::ClientContext context;
  const grpc::Status status =
      AdminOf(dir_)->ListAgents(&context, v1::ListAgentsRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<std::string> names;
  for (const v1::Agent& agent : response.agents()) names.push_back(agent.name());
  return names;
}

size_t CoordinatorProcess::CountFiles() const {
  size_t count = 0;
  for (const std::string& root : {volatile_dir_ + "/files", dir_ + "/files"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root, error)) {
      std::error_code gone;
      if (entry.is_regular_file(gone)) ++count;
    }
  }
  return count;
}

void CoordinatorProcess::AwaitFiles(size_t count) const {
  // Freeing files is done behind the answers. Bounded by the test's own time limit.
  while (CountFiles() != count) absl::SleepFor(absl::Milliseconds(1));
}

}  // namespace causeway
