// A segment as its writer gets it: an extent, and where it is mapped.

#ifndef CAUSEWAY_MMAPCORE_MAPPED_SEGMENT_H_
#define CAUSEWAY_MMAPCORE_MAPPED_SEGMENT_H_

#include "absl/status/statusor.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"

namespace causeway {

// Move-only. Mapping and unmapping a segment take system calls and some time for each of its pages,
// which is why neither is the business of a thread that writes frames: see SegmentSupply.
struct MappedSegment {
  FileExtent extent;
  Mapping mapping;  // of exactly this extent
};

// Maps a segment for its writer: every page is present and ready for stores, guarded if SigbusGuard
// is installed. Blocks for as long as the kernel needs to fill in the page tables.
//
// Errors as Mapping::Map().
absl::StatusOr<MappedSegment> MapSegmentForWriting(const MappedFile& file, FileExtent extent);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_MAPPED_SEGMENT_H_
