#include "tests/bench/services.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/coordinator_main.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/unique_fd.h"
#include "tests/bench/iceoryx_pools.h"

namespace causeway::bench {
namespace {

bool Any(std::span<const Party* const> parties, bool Party::* need) {
  return std::any_of(parties.begin(), parties.end(),
                     [need](const Party* party) { return party->make != nullptr && party->*need; });
}

// The subcommand that becomes iceoryx's daemon.
constexpr char kRouDi[] = "roudi";
constexpr absl::Duration kRouDiTimeout = absl::Seconds(30);

// Becomes RouDi, which has its configuration on standard input and says everything on `kReportFd`.
int RouDiMain() {
  dup2(kReportFd, STDOUT_FILENO);
  dup2(kReportFd, STDERR_FILENO);
  execlp("iox-roudi", "iox-roudi", "--config-file", "/dev/stdin", "--monitoring-mode", "off",
         "--log-level", "error", nullptr);
  std::fprintf(stderr, "%s\n", std::strerror(errno));
  return 127;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Services>> Services::Start(std::span<const Party* const> parties,
                                                          std::span<const size_t> frame_bytes,
                                                          const std::string& volatile_parent) {
  sigset_t before;
  sigprocmask(SIG_SETMASK, nullptr, &before);
  absl::StatusOr<ProcessGroup> group = ProcessGroup::Create();
  if (!group.ok()) return group.status();
  std::unique_ptr<Services> services(new Services(*std::move(group), volatile_parent));
  if (Any(parties, &Party::needs_coordinator)) {
    int signal = 0;
    services->coordinator_status_ = services->coordinator_.Start(services->group_, signal);
  }
  if (Any(parties, &Party::needs_roudi)) {
    services->roudi_status_ = services->StartRouDi(frame_bytes);
  }
  // A signal ends this process, and the kernel tells the daemons, who tidy up.
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return services;
}

Services::~Services() = default;

absl::Status Services::StartRouDi(std::span<const size_t> frame_bytes) {
  std::vector<size_t> sizes(frame_bytes.begin(), frame_bytes.end());
  std::sort(sizes.begin(), sizes.end());
  const std::string text = RouDiConfiguration(sizes);
  const UniqueFd file(memfd_create("roudi", MFD_CLOEXEC));
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      lseek(file.get(), 0, SEEK_SET) != 0) {
    return StatusFromErrno(errno, {.operation = "write", .path = "configuration of RouDi"});
  }
  const absl::StatusOr<size_t> roudi = group_.Start(
      {.name = kRouDi, .args = {kRouDi}, .stdin_fd = file.get(), .stop_signal = SIGTERM});
  if (!roudi.ok()) return roudi.status();
  const absl::Time deadline = absl::Now() + kRouDiTimeout;
  std::string last_words;
  while (true) {
    const absl::StatusOr<ProcessEvent> event = group_.Next(deadline);
    if (!event.ok()) return event.status();
    if (event->kind == ProcessEvent::Kind::kLine) {
      if (event->line.find("ready for clients") != std::string::npos) return absl::OkStatus();
      if (!event->line.empty()) last_words = event->line;
    } else if (event->kind == ProcessEvent::Kind::kExit && event->child == *roudi) {
      return absl::UnavailableError(
          absl::StrCat("iox-roudi ", DescribeWaitStatus(event->wait_status), ": ", last_words));
    } else {
      return absl::DeadlineExceededError("iox-roudi did not get ready");
    }
  }
}

absl::Status Services::Missing(const Party& party) const {
  if (party.needs_coordinator && !coordinator_status_.ok()) return coordinator_status_;
  if (party.needs_roudi && !roudi_status_.ok()) return roudi_status_;
  return absl::OkStatus();
}

std::optional<int> ServeIfAsked(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == kCoordinator) return CoordinatorMain(argc - 1, argv + 1);
  if (word == kRouDi) return RouDiMain();
  return std::nullopt;
}

}  // namespace causeway::bench
