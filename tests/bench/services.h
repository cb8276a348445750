// The daemons that some parties need, each a child of this program, of which nothing stays.

#ifndef CAUSEWAY_TESTS_BENCH_SERVICES_H_
#define CAUSEWAY_TESTS_BENCH_SERVICES_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/cli/ephemeral_coordinator.h"
#include "agents/cli/process_group.h"
#include "tests/bench/parties.h"

namespace causeway::bench {

// To be used from the main thread. Not thread-safe.
class Services {
 public:
  // Starts what `parties` need for frames of these sizes. What cannot be started is told by
  // Missing(). `volatile_parent`: as of EphemeralCoordinator.
  // Errors: as ProcessGroup::Create().
  static absl::StatusOr<std::unique_ptr<Services>> Start(std::span<const Party* const> parties,
                                                         std::span<const size_t> frame_bytes,
                                                         const std::string& volatile_parent = "");

  // Ends them.
  ~Services();

  // Why the party cannot take part; OK if it can.
  absl::Status Missing(const Party& party) const;

  const std::string& coordinator_dir() const { return coordinator_.dir(); }

 private:
  Services(ProcessGroup group, const std::string& volatile_parent)
      : coordinator_(volatile_parent), group_(std::move(group)) {}

  absl::Status StartRouDi(std::span<const size_t> frame_bytes);

  EphemeralCoordinator coordinator_;
  ProcessGroup group_;  // stops them before their directories go
  absl::Status coordinator_status_;
  absl::Status roudi_status_;
};

// To be called first in main(): if this process was started to be one of the daemons, does its work
// and returns the exit status.
std::optional<int> ServeIfAsked(int argc, char** argv);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_SERVICES_H_
