#include "agents/cli/ephemeral_coordinator.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/cli/abandoned_directories.h"

namespace causeway {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(30);

std::string TemporaryParent() {
  const char* parent = std::getenv("TMPDIR");
  return parent != nullptr && *parent != '\0' ? parent : "/tmp";
}

}  // namespace

EphemeralCoordinator::EphemeralCoordinator(const std::string& volatile_parent)
    : dir_(absl::StrCat(TemporaryParent(), "/", NewJobDirectoryName())),
      volatile_dir_(absl::StrCat(volatile_parent.empty() ? "/dev/shm" : volatile_parent, "/",
                                 NewJobDirectoryName())) {}

EphemeralCoordinator::~EphemeralCoordinator() {
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
  std::filesystem::remove_all(volatile_dir_, ignored);
}

absl::Status EphemeralCoordinator::Start(ProcessGroup& group, int& signal) {
  for (const std::string& path : {dir_, volatile_dir_}) {
    CollectAbandonedDirectories(path.substr(0, path.rfind('/')));
  }
  const absl::StatusOr<size_t> child =
      group.Start({.name = kCoordinator,
                   .args = {kCoordinator, absl::StrCat("--dir=", dir_),
                            absl::StrCat("--volatile_dir=", volatile_dir_), "--ephemeral",
                            "--log_level=error", absl::StrCat("--ready_fd=", kReportFd)},
                   .stop_signal = SIGTERM});
  if (!child.ok()) return child.status();
  const absl::StatusOr<ProcessEvent> event = group.Next(absl::Now() + kStartTimeout);
  if (!event.ok()) return event.status();
  switch (event->kind) {
    case ProcessEvent::Kind::kLine:
      return absl::OkStatus();
    case ProcessEvent::Kind::kSignal:
      signal = event->signal;
      return absl::CancelledError("interrupted");
    case ProcessEvent::Kind::kExit:
      return absl::UnavailableError(absl::StrCat(
          "the coordinator ", DescribeWaitStatus(event->wait_status), " before it was ready"));
    case ProcessEvent::Kind::kDeadline:
      break;
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the coordinator was not ready after ", absl::FormatDuration(kStartTimeout)));
}

}  // namespace causeway
