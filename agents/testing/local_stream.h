// Writers and readers of one process, introduced to each other by a test instead of a coordinator.

#ifndef CAUSEWAY_AGENTS_TESTING_LOCAL_STREAM_H_
#define CAUSEWAY_AGENTS_TESTING_LOCAL_STREAM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agents/reader_lanes.h"
#include "agents/writer_lane.h"
#include "mmapcore/mapped_file.h"

namespace causeway {

// Files are memfds. Fails the test where something cannot be made.
class LocalStream {
 public:
  static constexpr uint64_t kSegmentBytes = 16 * 1024;
  static constexpr uint64_t kCapacityBytes = 8 * kSegmentBytes;
  static constexpr uint64_t kMaxFrameBytes = 64 * 1024;

  // Before anything is added: a stream with timestamps.
  void set_timestamps() { timestamps_ = true; }

  // Whether requests for segments are granted at once; else they are counted only.
  void set_grants(bool grants) { grants_ = grants; }

  WriterLane& AddWriter(uint64_t lane_id);
  ReaderLanes& AddReader(uint64_t reader_id, WaitMode mode = WaitMode::kAdaptive,
                         const ReaderOptions& reading = {});

  // Tells each of them of the other, in the coordinator's order.
  void Introduce(uint64_t lane_id, uint64_t reader_id);
  // The two halves of it.
  void TellWriter(uint64_t lane_id, uint64_t reader_id);
  void TellReader(uint64_t lane_id, uint64_t reader_id);

  // Grants a segment of `bytes` bytes now.
  void Grant(uint64_t lane_id, uint64_t bytes);

  WriterLane& writer(uint64_t lane_id) { return *writers_.at(lane_id).lane; }
  ReaderLanes& reader(uint64_t reader_id) { return *readers_.at(reader_id).lanes; }
  std::shared_ptr<WriterLane> shared_writer(uint64_t lane_id) { return writers_.at(lane_id).lane; }
  std::shared_ptr<ReaderLanes> shared_reader(uint64_t reader_id) {
    return readers_.at(reader_id).lanes;
  }
  const MappedFile& cursor_file(uint64_t reader_id) { return *readers_.at(reader_id).file; }
  const MappedFile& lane_file(uint64_t lane_id) { return *writers_.at(lane_id).file; }

  // Lengths of the segments asked for so far.
  std::vector<uint64_t> requests() const;
  // Lanes that readers gave back so far.
  std::vector<uint64_t> released() const;

 private:
  struct WriterSide {
    std::shared_ptr<MappedFile> file;  // a second descriptor, for truncating it and for readers
    uint64_t next_offset = 0;
    std::shared_ptr<WriterLane> lane;
  };
  struct ReaderSide {
    std::shared_ptr<MappedFile> file;
    std::map<uint64_t, uint64_t> cursor_offsets;  // by lane
    std::shared_ptr<ReaderLanes> lanes;
    ReaderPolicy policy = ReaderPolicy::kBlock;
  };

  FileExtent Allocate(WriterSide& writer, uint64_t bytes);
  uint64_t CursorOffset(uint64_t lane_id, uint64_t reader_id);

  bool grants_ = true;
  bool timestamps_ = false;
  uint64_t version_ = 0;
  std::map<uint64_t, WriterSide> writers_;
  std::map<uint64_t, ReaderSide> readers_;
  mutable absl::Mutex mutex_;
  std::vector<uint64_t> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> released_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_TESTING_LOCAL_STREAM_H_
