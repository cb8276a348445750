// Operations that have to be stored in the end, however long the store has no room for them.

#ifndef CAUSEWAY_CONTROL_SERVICE_OBLIGATIONS_H_
#define CAUSEWAY_CONTROL_SERVICE_OBLIGATIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "control/state/catalog.h"
#include "control/state/state_runner.h"

namespace causeway {

// Facts that the kernel tells once (a connection closed, a process ended), and what a call owes for
// a reservation that it made. Nobody would ask for these again, and without them the dead keep what
// they held. So one that could not be stored, since the disk was full for instance, is posted again
// until it is. Late is harmless: they name sessions, connections, lanes and extents, whose ids are
// never used for anything else.
//
// Thread-safe; waits for nothing.
class Obligations {
 public:
  using Operation = std::function<absl::Status(Catalog&)>;

  // `repeat_soon` is called when one could not be stored, on any thread; some time after, but not
  // at once, somebody has to call Repeat(). `state` must outlive this object.
  Obligations(StateRunner* state, std::function<void()> repeat_soon)
      : state_(*state), repeat_soon_(std::move(repeat_soon)) {}
  Obligations(const Obligations&) = delete;
  Obligations& operator=(const Obligations&) = delete;

  // Posts `operation`, which is about the thing called `id`; `what` names it in the log. Its answer
  // is nobody's business: NOT_FOUND and the like mean that it came to nothing.
  void Meet(std::string what, uint64_t id, Operation operation);

  void ConnectionLost(uint64_t session_id, uint64_t connection_id);
  void ProcessExited(uint64_t session_id);

  // Posts again what could not be stored so far.
  void Repeat();

  // How many wait for Repeat().
  size_t unmet() const;

 private:
  struct Obligation {
    std::string what;
    uint64_t id = 0;
    Operation operation;
  };

  void Post(Obligation obligation);

  StateRunner& state_;
  const std::function<void()> repeat_soon_;
  mutable absl::Mutex mutex_;
  std::vector<Obligation> unmet_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_OBLIGATIONS_H_
