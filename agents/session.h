// One attachment to a coordinator: puts together the standing connection, the calls, and what the
// session has.

#ifndef CAUSEWAY_AGENTS_SESSION_H_
#define CAUSEWAY_AGENTS_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/attachment.h"
#include "agents/call_queue.h"
#include "agents/control_client.h"
#include "agents/lane_registry.h"
#include "agents/segment_grants.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/sleep_watch.h"

namespace causeway {

// Owned by the agent and by each of its writers, readers, splits and taken extents; the last of
// them detaches. Three kinds of thread meet here:
//
//   application   opens, closes, writes, reads; waits for the coordinator only to open and to close
//   events        (Attachment) obeys the coordinator; alone adds lanes and changes rosters
//   calls         (CallQueue) asks for segments, gives back segments and lanes
//
// The latter two refer to the session by a plain pointer and are ended in its destructor. What they
// change are WriterLane and ReaderLanes, which do not own the session, so that neither thread can
// be the last to let go of it.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // As Agent::Attach().
  static absl::StatusOr<std::shared_ptr<Session>> Attach(AgentOptions options);

  // Detaches, if that was not done.
  ~Session();

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // As the functions of Agent.
  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(std::string_view stream,
                                                     const WriterOptions& options);
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(std::string_view stream,
                                                     const ReaderOptions& options);
  absl::StatusOr<BroughtFile> BringFile(int fd, std::string_view label, FileAccess access);
  absl::StatusOr<std::unique_ptr<Split>> OpenSplit(const SplitOptions& options);
  absl::StatusOr<TakenExtent> TakeExtent(std::string_view split, absl::Duration timeout);
  absl::Status Detach();
  uint64_t session_id() const { return session_id_.load(std::memory_order_relaxed); }
  bool connected() const { return attachment_->attached(); }
  absl::Status status() const;

  // The lane has been ended in band and unmapped; the reader has been unmapped.
  absl::Status CloseWriter(uint64_t lane_id, uint64_t file_id);
  absl::Status CloseReader(uint64_t reader_id, uint64_t file_id);

  // Waits until every event that had arrived is obeyed, then as status(). Tells a thread that finds
  // pages gone whether that is how being fenced looks.
  absl::Status SettledStatus();

  // For splits.
  ControlClient& client() { return client_; }
  void ExtentTaken() { taken_extents_.fetch_add(1, std::memory_order_relaxed); }
  void ExtentLeft() { taken_extents_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  explicit Session(AgentOptions options);

  absl::Status Start();

  // Events; on the attachment's thread.
  absl::Status OnWelcome(const v1::Welcome& welcome);
  absl::Status OnEvent(HandoffMessage message);
  void OnLost(const absl::Status& why);
  void OnRefused(const absl::Status& why);
  void Tell(AgentEvent event) const;

  // Every writer and reader fails with this from now on. The first reason stays.
  void EndWith(absl::Status why);

  // Repeats the call while the coordinator is away or coming back, for as long as one call may
  // take.
  template <typename Request>
  auto CallPatiently(const Request& request);

  // Makes the call now if the coordinator is there, and later, unasked, if it is not.
  template <typename Request>
  absl::Status CallNowOrLater(const Request& request);

  void RequestSegment(uint64_t lane_id, uint64_t bytes, std::shared_ptr<SegmentGrants> grants);
  void ReturnSegment(uint64_t lane_id, std::shared_ptr<MappedSegment> segment, uint64_t grant_id);
  void ReleaseLane(uint64_t reader_id, uint64_t lane_id);

  const AgentOptions options_;
  ControlClient client_;
  SleepWatch sleep_watch_;  // of the writers; before whatever owns them
  LaneRegistry registry_;
  std::atomic<uint64_t> session_id_{0};
  std::atomic<uint64_t> next_request_id_{1};
  std::atomic<int> taken_extents_{0};

  mutable absl::Mutex mutex_;
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<CallQueue> calls_;
  std::unique_ptr<Attachment> attachment_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_SESSION_H_
