// What a session has: the lanes that it writes, the readers that it is, and the descriptors that
// came for them. Obeys the coordinator's events.

#ifndef CAUSEWAY_AGENTS_LANE_REGISTRY_H_
#define CAUSEWAY_AGENTS_LANE_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/handoff_connection.h"
#include "agents/peer_watch.h"
#include "agents/reader_lanes.h"
#include "agents/writer_lane.h"
#include "mmapcore/mapped_file.h"

namespace causeway {

// Knows nothing of connections and calls, so that it can be tested without. Thread-safe; what is
// marked "events" belongs to the thread that brings the events.
//
// An event may be ahead of the answer to the call that it belongs to. While something is being
// opened, events of unknown lanes and readers are therefore kept, and obeyed when it is added.
//
// What is mapped of the files that come is kept from children of fork(): one that stores into a
// lane would break the rule that a lane has one writer.
class LaneRegistry {
 public:
  // Called from the events' thread, without a lock. The session is not filled in.
  using Tell = std::function<void(AgentEvent event)>;

  explicit LaneRegistry(Tell tell) : tell_(std::move(tell)) {}

  // ---- Events -----------------------------------------------------------------------------------

  // A connection has begun. What comes up to SnapshotDone replaces what was known, if `resumed`.
  // Writers and readers whose files it does not name are none any more for the coordinator, and
  // are fenced, unless they are being closed: nobody else would tell them.
  void Connected(bool resumed);
  void Disconnected();

  // Obeys one event. One that makes no sense is told, and changes nothing.
  void Obey(HandoffMessage message);

  // To be polled for reading, besides the connection: then ObeyDeaths() has something to do.
  // Negative: nothing comes that way.
  int deaths_fd() const { return peer_watch_.fd(); }
  // Ends the lanes of writers, and forgets the readers, whose processes have ended.
  void ObeyDeaths();

  // Adds what was opened, and obeys what was kept for it. `file_id`: the file that was taken for
  // it.
  void AddWriter(uint64_t lane_id, uint64_t file_id, std::shared_ptr<WriterLane> lane);
  void AddReader(uint64_t reader_id, uint64_t file_id, std::shared_ptr<ReaderLanes> lanes);

  // ---- Any thread -------------------------------------------------------------------------------

  // Exists while something is being opened.
  class Opening {
   public:
    explicit Opening(LaneRegistry& registry);
    ~Opening();
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;

   private:
    LaneRegistry& registry_;
  };

  // It is about to be closed: a snapshot that no longer names it says nothing new. Ok for what was
  // never added.
  void WriterCloses(uint64_t lane_id);
  void ReaderCloses(uint64_t reader_id);

  // The coordinator's next words about it are ignored. `file_id` as in AddWriter(); for what was
  // never added, too.
  void RemoveWriter(uint64_t lane_id, uint64_t file_id);
  void RemoveReader(uint64_t reader_id, uint64_t file_id);

  std::shared_ptr<WriterLane> FindWriter(uint64_t lane_id) const;
  std::shared_ptr<ReaderLanes> FindReader(uint64_t reader_id) const;

  // Waits for a descriptor, and takes it: it is ignored if it is sent again.
  // Unavailable: it has not come by the deadline.
  absl::StatusOr<MappedFile> TakeFile(uint64_t file_id, absl::Time deadline);

  // Waits for a descriptor that many may use. Errors as for TakeFile().
  absl::StatusOr<std::shared_ptr<MappedFile>> ShareFile(uint64_t file_id, absl::Time deadline);
  // Nobody will ask for it any more.
  void ForgetFile(uint64_t file_id);

  // Waits for the answer to BringFile. Expect before sending.
  // Unavailable: the connection was lost, or the deadline passed. Others: as the coordinator says.
  void ExpectBrought(uint64_t request_id);
  absl::StatusOr<BroughtFile> AwaitBrought(uint64_t request_id, absl::Time deadline);

  // Ends everything for good, and what is added later, too: FailedPrecondition. Nothing is held
  // any more.
  void Fence(const absl::Status& why);

  // "2 writers, 1 reader"; empty if there is nothing.
  std::string Holdings() const;

 private:
  template <typename Lanes>
  struct Opened {
    uint64_t file_id = 0;
    std::shared_ptr<Lanes> lanes;
    bool closes = false;
  };
  using Writers = absl::flat_hash_map<uint64_t, Opened<WriterLane>>;
  using Readers = absl::flat_hash_map<uint64_t, Opened<ReaderLanes>>;

  void ObeyNow(HandoffMessage message);
  void ObeySnapshot();
  template <typename Lanes>
  void FenceUnknown(const char* what, uint64_t id, Lanes& lanes);
  void ObeyDescriptor(HandoffMessage message);
  void ObeyReaderJoined(HandoffMessage message);
  void ObeyReaderLeft(HandoffMessage message);
  void ObeyLaneOpened(HandoffMessage message);
  void ObeyLaneEnded(HandoffMessage message);
  void TellReaderLeft(const PeerWatch::Link& link, EndCause cause);
  void EndLane(ReaderLanes& lanes, const PeerWatch::Link& link, EndCause cause, bool tell);
  void ObeyBrought(const v1::FileBrought& brought);
  void ObeyKept();
  bool Keep(HandoffMessage& message);
  void Reject(const std::string& text) {
    tell_({.kind = AgentEvent::Kind::kRejected, .text = text});
  }

  const Tell tell_;
  PeerWatch peer_watch_;

  // Of the events' thread: the events of a snapshot that is not complete.
  std::optional<std::vector<HandoffMessage>> snapshot_;

  mutable absl::Mutex mutex_;
  absl::Status fenced_ ABSL_GUARDED_BY(mutex_);
  Writers writers_ ABSL_GUARDED_BY(mutex_);
  Readers readers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::shared_ptr<MappedFile>> files_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> taken_files_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::optional<v1::FileBrought>> brought_ ABSL_GUARDED_BY(mutex_);
  int openings_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<HandoffMessage> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_LANE_REGISTRY_H_
