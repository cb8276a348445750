// How a coordinator is told what to be.

#ifndef CAUSEWAY_CONTROL_COORDINATOR_OPTIONS_H_
#define CAUSEWAY_CONTROL_COORDINATOR_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "control/api/version/version.h"
#include "control/files/huge_page_choice.h"
#include "control/state/limits.h"

namespace causeway {

// What one peer may make the coordinator do at once. The limits on what it may have are in Limits.
struct ServingLimits {
  uint64_t max_connections = 1024;          // of handoff.sock
  uint64_t hello_deadline_ms = 5000;        // from connecting to Hello
  uint64_t max_unread_events = 4096;        // of one agent; then it is cut off, and may resume
  uint64_t max_unread_bytes = 1024 * 1024;  // likewise
  uint64_t max_calls_per_agent = 16;        // running at once
  uint64_t max_request_bytes = 64 * 1024;
  uint64_t max_rpc_threads = 128;
  uint64_t max_waiting_workers = 64;  // calls of TakeExtent that wait at once, of all agents
  uint64_t max_wait_ms = 30'000;      // of one such call
};

struct CoordinatorOptions {
  std::string directory;           // its parent must exist
  std::string volatile_directory;  // empty: one in /dev/shm that goes with `directory`
  Limits limits;
  ServingLimits serving;
  HugePages huge_pages = HugePages::kAuto;  // of files in the volatile directory
  bool ephemeral = false;                   // leave nothing behind
  std::string version = kVersion;           // what it says of itself
  // Called once, on a thread of the coordinator's, if the disk gave wrong answers about the state:
  // from then on every call fails with DATA_LOSS. It is to be shut down and started anew, by
  // another thread. Agents go on with what they have.
  std::function<void(const absl::Status&)> on_failure = [](const absl::Status&) {};
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_COORDINATOR_OPTIONS_H_
