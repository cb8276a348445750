// One lane in its writing agent's hands: what the application's thread writes with, what the
// coordinator's events change, and the supply of segments between them.

#ifndef CAUSEWAY_AGENTS_WRITER_LANE_H_
#define CAUSEWAY_AGENTS_WRITER_LANE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agents/writer.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_supply.h"

namespace causeway {

// A reader as the coordinator announces it.
struct JoiningReader {
  uint64_t reader_id = 0;
  std::string label;       // its agent's name
  MappedFile cursor_file;  // read-only
  FileExtent cursor;       // its page for this lane
  uint64_t roster_version = 0;
  ReaderPolicy policy = ReaderPolicy::kBlock;
};

// Knows nothing of calls and connections, so that it can be tested without. Thread-safe, except
// for what lane() gives, which has rules of its own.
class WriterLane final : public SegmentSupply {
 public:
  // What the lane asks of the coordinator. Neither may block.
  struct Calls {
    std::function<void(uint64_t bytes)> request_segment;  // answered by SegmentGranted() or Refused
    // Unmaps it, then gives it back. On another thread: both take their time.
    std::function<void(std::shared_ptr<MappedSegment> segment)> return_segment;
  };

  // Errors as for LaneWriter::Create().
  static absl::StatusOr<std::shared_ptr<WriterLane>> Create(MappedFile lane_file,
                                                            uint64_t lane_page_offset,
                                                            const std::vector<FileExtent>& segments,
                                                            const LaneWriterOptions& options,
                                                            Calls calls);

  // Closes.
  ~WriterLane() override;

  // ---- The application's thread; null once Close() was called -----------------------------------

  LaneWriter* lane() { return lane_.get(); }

  // Waits for room, in turns of bounded length, so that what no reader can mend ends the wait.
  // kNone and a claim, or as Writer::Claim() says.
  absl::StatusOr<Claim> ClaimUntil(uint64_t length, absl::Duration timeout);

  // As Writer::WaitForReaders() and Writer::Drain().
  absl::Status WaitForReaders(size_t count, absl::Duration timeout);
  absl::Status Drain(absl::Duration timeout);

  // Ends the lane and unmaps everything. Afterwards only the functions below may be called.
  void Close();

  // ---- Any thread -------------------------------------------------------------------------------

  // The reader's cursor is obeyed from now on. One that is known already: nothing but the version.
  // Errors as for ReaderCursor::Map(): this reader, and those that join after it, wait until it has
  // left or joined again, since a published version speaks for all readers up to it.
  absl::Status Join(JoiningReader reader);

  // The reader's cursor is obeyed no more. False if it was not known. `roster_version` 0: as
  // before.
  bool Leave(uint64_t reader_id, uint64_t roster_version);

  // The coordinator has said everything again: whoever is not in `reader_ids` has left.
  void KeepOnly(const std::vector<uint64_t>& reader_ids);

  // Maps the segment, so that the application's thread need not, and makes it ready for that
  // thread. Blocks while the kernel fills in the page tables. An error, as of Mapping::Map(),
  // stands for a refusal: the segment is to be given back.
  absl::Status SegmentGranted(FileExtent segment);
  // The coordinator cannot give a segment, and why.
  void SegmentRefused(absl::Status why);
  // The coordinator is away; the request is still under way.
  void SegmentDelayed(absl::Status why);

  // Ends the lane for its writer, for good: FailedPrecondition.
  void Fence(absl::Status why);

  size_t readers() const;
  std::vector<ReaderLag> Lags(uint64_t head) const;
  WriterCounters counters() const;

 private:
  struct Reader {
    std::string label;
    std::shared_ptr<ReaderCursor> cursor;
  };

  explicit WriterLane(Calls calls) : calls_(std::move(calls)) {}

  // SegmentSupply; the application's thread.
  std::optional<MappedSegment> TakeReady() override;
  void RequestAhead(uint64_t bytes) override;
  void Return(MappedSegment segment) override;

  void InstallRoster() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Refused(Refusal refusal, uint64_t length) const;
  // Why a wait of `timeout` for `what` was in vain: the slowest reader, and what was refused.
  absl::Status TimedOut(const char* what, absl::Duration timeout) const;
  std::optional<absl::Status> HopelessFor(uint64_t length) const;
  // How often segments were refused or delayed so far.
  uint64_t refusals() const;

  const Calls calls_;
  // Written before anybody else knows of this object, and by Close().
  std::unique_ptr<LaneWriter> lane_;

  // Guards the readers, and lane_ against Close(). Never taken on the way of a frame.
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, Reader> readers_ ABSL_GUARDED_BY(mutex_);
  uint64_t roster_version_ ABSL_GUARDED_BY(mutex_) = 0;
  // Readers that could not be mapped, and the version at which they joined.
  absl::flat_hash_map<uint64_t, uint64_t> failed_ ABSL_GUARDED_BY(mutex_);
  WriterCounters last_counters_ ABSL_GUARDED_BY(mutex_);

  mutable absl::Mutex supply_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  std::deque<MappedSegment> ready_ ABSL_GUARDED_BY(supply_mutex_);
  bool requested_ ABSL_GUARDED_BY(supply_mutex_) = false;
  absl::Status refusal_ ABSL_GUARDED_BY(supply_mutex_);
  uint64_t refusals_ ABSL_GUARDED_BY(supply_mutex_) = 0;
  absl::Time no_request_before_ ABSL_GUARDED_BY(supply_mutex_) = absl::InfinitePast();
  uint64_t granted_ ABSL_GUARDED_BY(supply_mutex_) = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_WRITER_LANE_H_
