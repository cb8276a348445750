// What one connection still has to send.

#ifndef CAUSEWAY_CONTROL_HANDOFF_OUTBOUND_QUEUE_H_
#define CAUSEWAY_CONTROL_HANDOFF_OUTBOUND_QUEUE_H_

#include <cstddef>
#include <deque>
#include <string>

#include "absl/status/status.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// The bounds of what may wait for a peer that does not read.
struct OutboundLimits {
  size_t max_datagrams = 4096;  // each may hold a descriptor of this process
  size_t max_bytes = 1024 * 1024;
};

// Keeps datagrams, with their descriptors, in order until the socket takes them. Not thread-safe.
class OutboundQueue {
 public:
  explicit OutboundQueue(const OutboundLimits& limits) : limits_(limits) {}

  // Appends a datagram. ResourceExhausted: a bound is met; the message names it.
  absl::Status Push(std::string bytes, UniqueFd descriptor);

  // Sends from the front until the queue is empty or the non-blocking `socket` has no room. A
  // descriptor is closed here once its datagram is sent.
  // Errors are those of SendDatagram(), except Unavailable: the rest then waits in the queue.
  absl::Status Flush(int socket);

  bool empty() const { return datagrams_.empty(); }

 private:
  struct Pending {
    std::string bytes;
    UniqueFd descriptor;
  };

  const OutboundLimits limits_;
  std::deque<Pending> datagrams_;
  size_t bytes_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_HANDOFF_OUTBOUND_QUEUE_H_
