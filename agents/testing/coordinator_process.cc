#include "agents/testing/coordinator_process.h"

#include <grpcpp/grpcpp.h>
#include <stdlib.h>

#include <filesystem>

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

}  // namespace

CoordinatorProcess::CoordinatorProcess() {
  char pattern[] = "/tmp/causeway-test-XXXXXX";
  parent_ = mkdtemp(pattern);
  dir_ = parent_ + "/dir";
  char volatile_pattern[] = "/dev/shm/causeway-test-XXXXXX";
  volatile_dir_ = mkdtemp(volatile_pattern);
  Start();
}

CoordinatorProcess::~CoordinatorProcess() {
  Kill();
  std::error_code ignored;
  std::filesystem::remove_all(parent_, ignored);
  std::filesystem::remove_all(volatile_dir_, ignored);
}

void CoordinatorProcess::Kill() { process_.reset(); }

void CoordinatorProcess::Start() {
  process_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{TestProgram("control/coordinator"), absl::StrCat("--dir=", dir_),
                               absl::StrCat("--volatile_dir=", volatile_dir_),
                               absl::StrCat("--ready_fd=", ChildProcess::kReportFd)});
  ASSERT_NE(process_->ReadLine(), "(end)") << "the coordinator ended before it was ready";
}

void CoordinatorProcess::LoseState() {
  std::filesystem::remove_all(dir_);
  for (const auto& entry : std::filesystem::directory_iterator(volatile_dir_)) {
    std::filesystem::remove_all(entry.path());
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
