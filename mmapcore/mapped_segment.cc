#include "mmapcore/mapped_segment.h"

#include <utility>

#include "absl/status/statusor.h"
#include "mmapcore/file_extent.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/protection.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {

absl::StatusOr<MappedSegment> MapSegmentForWriting(const MappedFile& file, FileExtent extent) {
  absl::StatusOr<Mapping> mapping = Mapping::Map(file, extent.offset, extent.length,
                                                 {.protection = Protection::kReadWrite,
                                                  .populate = Populate::kForWriting,
                                                  .guarded = SigbusGuard::installed()});
  if (!mapping.ok()) return mapping.status();
  return MappedSegment{.extent = extent, .mapping = *std::move(mapping)};
}

}  // namespace causeway
