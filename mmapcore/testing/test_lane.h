// A lane with its files, readers and supply of segments, without a coordinator.

#ifndef CAUSEWAY_MMAPCORE_TESTING_TEST_LANE_H_
#define CAUSEWAY_MMAPCORE_TESTING_TEST_LANE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_roster.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_supply.h"
#include "mmapcore/sleep_watch.h"
#include "mmapcore/wait_mode.h"

namespace causeway::testing {

// Allocates segments in the lane's file, each at a place of its own. Thread-safe.
class FileSupply : public SegmentSupply {
 public:
  // The first segment is placed at `first_offset`.
  FileSupply(MappedFile& file, uint64_t first_offset) : file_(file), next_offset_(first_offset) {}

  std::optional<MappedSegment> TakeReady() override;
  void RequestAhead(uint64_t bytes) override;
  void Return(MappedSegment segment) override;

  // Allocates a segment at once.
  FileExtent Allocate(uint64_t bytes);

  // What RequestAhead() does from now on: serve the request at once (the beginning), remember it
  // until ServeRequests(), or nothing.
  enum class Mode { kServe, kHold, kIgnore };
  void set_mode(Mode mode);

  // Makes ready what was requested and held. Returns how many.
  int ServeRequests();

  // Lengths asked for, and extents given back, so far.
  std::vector<uint64_t> requests() const;
  std::vector<FileExtent> returned() const;

  // Makes this segment the next one that is ready, mapped or not.
  void Offer(MappedSegment segment);

 private:
  void MakeReady(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  FileExtent AllocateLocked(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  MappedFile& file_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_offset_ ABSL_GUARDED_BY(mutex_);
  Mode mode_ ABSL_GUARDED_BY(mutex_) = Mode::kServe;
  std::deque<MappedSegment> ready_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> held_request_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<FileExtent> returned_ ABSL_GUARDED_BY(mutex_);
};

struct TestLaneOptions {
  uint64_t segment_bytes = 8192;
  uint64_t capacity_bytes = 4 * 8192;
  uint64_t max_frame_bytes = 16000;
  int initial_segments = 2;
  absl::Duration keep_idle = absl::Seconds(1);
  uint64_t grow_eagerly_bytes = uint64_t{8} << 20;
  absl::Duration grow_patience = absl::ZeroDuration();
  absl::Duration lap_patience = absl::ZeroDuration();
  WaitMode wait_mode = WaitMode::kPark;
  SleepWatch* sleep_watch = nullptr;
  bool timestamps = false;
  LaneIdentity identity = {.stream_id = 11, .lane_id = 22, .epoch = 33};
};

// How a reader of a TestLane reads.
struct TestReaderOptions {
  ReaderPolicy policy = ReaderPolicy::kBlock;
  LaneStart start;
  uint64_t max_mapped_bytes = uint64_t{1} << 30;
};

// Ends the test program where something cannot be made. Files are memfds, so a child made by fork()
// shares them.
class TestLane {
 public:
  explicit TestLane(const TestLaneOptions& options = {});
  ~TestLane();

  static constexpr uint64_t kLanePageOffset = 0;
  static constexpr LaneIdentity kIdentity = {.stream_id = 11, .lane_id = 22, .epoch = 33};

  // The writer, made at the first call.
  LaneWriter& writer();
  void CloseWriter() { writer_.reset(); }

  // A reader in the roster, that the writer obeys.
  std::unique_ptr<LaneReader> Join(uint64_t reader_id, const TestReaderOptions& options = {});

  // The same in two steps: make the reader's files and object, which may not read yet...
  std::unique_ptr<LaneReader> OpenReader(uint64_t reader_id, const TestReaderOptions& options = {});
  absl::StatusOr<std::unique_ptr<LaneReader>> TryOpenReader(uint64_t reader_id,
                                                            const TestReaderOptions& options = {});
  // ... and put it into the roster.
  void Admit(uint64_t reader_id);
  // Takes it out of the roster.
  void Dismiss(uint64_t reader_id);

  FileSupply& supply() { return supply_; }
  MappedFile& lane_file() { return lane_file_; }
  MappedFile& cursor_file(uint64_t reader_id) { return *cursor_files_.at(reader_id); }
  const TestLaneOptions& options() const { return options_; }

 private:
  void SetRoster();

  const TestLaneOptions options_;
  MappedFile lane_file_;
  FileSupply supply_;
  std::vector<FileExtent> initial_segments_;
  std::unique_ptr<LaneWriter> writer_;
  std::map<uint64_t, std::unique_ptr<MappedFile>> cursor_files_;
  std::map<uint64_t, uint64_t> join_versions_;
  std::map<uint64_t, ReaderPolicy> policies_;
  std::map<uint64_t, std::shared_ptr<ReaderCursor>> roster_;
  uint64_t roster_version_ = 0;
};

// A frame's payload that only (seed, length) decide, and whether bytes are one.
std::vector<std::byte> PatternFrame(uint64_t seed, size_t length);
bool IsPatternFrame(uint64_t seed, std::span<const std::byte> payload);

// Writes one, without waiting, and takes the next frame: whether there was room, and whether it is.
bool WritePattern(LaneWriter& writer, uint64_t seed, size_t length);
bool ReadsPattern(LaneReader& reader, uint64_t seed, size_t length);

// A memfd of the given size, allocated.
MappedFile AnonymousFile(const std::string& label, uint64_t size);

}  // namespace causeway::testing

#endif  // CAUSEWAY_MMAPCORE_TESTING_TEST_LANE_H_
