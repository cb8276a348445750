// The segments of one lane that a reader keeps mapped.

#ifndef CAUSEWAY_MMAPCORE_READER_SEGMENTS_H_
#define CAUSEWAY_MMAPCORE_READER_SEGMENTS_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"

namespace causeway {

// Maps segments on demand, validates their headers, and keeps them for their next use: least
// recently used first out when they exceed a budget. Single-threaded.
class ReaderSegments {
 public:
  struct Segment {
    FileExtent extent;
    Mapping mapping;
    uint64_t last_use = 0;

    const SegmentHeader& header() const { return PageAt<SegmentHeader>(mapping.data()); }
  };

  ReaderSegments(MappedFile file, const LaneIdentity& lane, uint64_t max_mapped_bytes)
      : file_(std::move(file)), lane_(lane), max_mapped_bytes_(max_mapped_bytes) {}

  // The segment at this extent, which words at file offset `named_at` named. A length of 0: what
  // the segment's header says. Valid until the next call, but for the one that the reader stands
  // in.
  //
  // DataLoss: it is no segment of this lane, or lies outside the file. ResourceExhausted: mappings
  // or memory.
  absl::StatusOr<const Segment*> Get(FileExtent extent, uint64_t named_at);

  // The reader stands in this segment, and in no other: it stays mapped.
  void Stand(const Segment* segment) { standing_ = segment; }
  const Segment* standing() const { return standing_; }

  const MappedFile& file() const { return file_; }

 private:
  // What the page header at `offset` says.
  absl::StatusOr<uint64_t> LengthAt(uint64_t offset, const PageIdentity& expected,
                                    const MappingOptions& options) const;
  void MakeRoomFor(uint64_t length);

  MappedFile file_;
  LaneIdentity lane_;
  uint64_t max_mapped_bytes_;
  std::vector<std::unique_ptr<Segment>> mapped_;
  uint64_t mapped_bytes_ = 0;
  uint64_t uses_ = 0;
  const Segment* standing_ = nullptr;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_READER_SEGMENTS_H_
