// The requests of one requester that wait for their responses.

#ifndef CAUSEWAY_AGENTS_PENDING_REQUESTS_H_
#define CAUSEWAY_AGENTS_PENDING_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "agents/request_format.h"
#include "mmapcore/deadline.h"

namespace causeway {

// A place for each of them. Buffers are kept and used again, so that in the long run nothing is
// allocated. Knows nothing of lanes, so that it can be tested without. Belongs to one thread.
class PendingRequests {
 public:
  static constexpr size_t kMost = 65536;

  struct Place {
    bool waits() const { return state == State::kWaits; }

    enum class State { kFree, kWaits, kAnswered };
    State state = State::kFree;
    uint64_t id = 0;
    Deadline deadline = Deadline::Infinite();
    // Once it does not wait any more: OK and the response, or the error.
    absl::Status status;
    std::vector<std::byte> response;
  };

  // Room for `most` requests, from 1 to kMost. `first_number` is to be random: ids that follow from
  // it are then no others' in the same lane, also if the coordinator should give its id again.
  PendingRequests(size_t most, uint64_t first_number);

  size_t size() const { return places_.size() - free_.size(); }
  bool full() const { return free_.empty(); }

  // Takes a place, which waits. Not if full().
  Place& Add(Deadline deadline);

  // Null if no request of this id has a place. Any number may be asked for.
  Place* Find(uint64_t id);

  // Frees the place. Its response stays as it is until the next Add().
  void Remove(Place& place);

  // Copies a response, or an error, to the place of the request that it is for. That waits on until
  // Settle(): the bytes may turn out to have changed meanwhile. Null: no such request waits.
  Place* Fill(const ResponseHeader& header, std::span<const std::byte> payload);
  void Settle(Place& place) { place.state = Place::State::kAnswered; }

  // Every request that waits has failed. Returns how many.
  size_t FailAll(const absl::Status& why);

 private:
  std::vector<Place> places_;
  std::vector<uint16_t> free_;  // indices; the last one is taken next: it is in the cache
  uint64_t number_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_PENDING_REQUESTS_H_
