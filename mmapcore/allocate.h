// Backing for extents. Storing to a mapped page that has no storage behind it is a SIGBUS when the
// file system is full, so nothing is granted before it was allocated, and populated so that the
// first store is as fast as the second.

#ifndef CAUSEWAY_MMAPCORE_ALLOCATE_H_
#define CAUSEWAY_MMAPCORE_ALLOCATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"

namespace causeway {

// Reserves storage for the extent `[offset, offset + length)`, and grows the file to the extent's
// end if it is shorter. New bytes are zero; bytes that exist keep their value. Blocks on the disk.
//
// On failure the file is as long as before and what was reserved behind its former end is free
// again. Blocks reserved in holes before that end stay reserved: their bytes read the same. The
// caller is the only one to change the file's size meanwhile.
//
// Survives signals: it repeats after EINTR in ever smaller pieces, so that even a busy profiling
// timer lets it end.
//
// InvalidArgument: the length is zero, offset or length is not a multiple of the page size, or the
//   range does not end below 2^63.
// PermissionDenied: the descriptor is read-only, or the file is sealed.
// ResourceExhausted: the file system, the quota or RLIMIT_FSIZE is full; the message says how many
//   bytes were needed and how many are free.
// OutOfRange: more than the file system allows for one file.
// Unimplemented: the file system cannot reserve storage.
// DataLoss: the device failed.
absl::Status AllocateExtent(MappedFile& file, uint64_t offset, uint64_t length);

// Brings every page of the extent, which lies within the file, into memory and makes it ready for
// stores (MADV_POPULATE_WRITE through a mapping of its own). Changes no byte, raises no signal.
// Processes that map the extent afterwards find the pages in memory, and populate their own page
// tables with Populate::kForWriting. Blocks on memory and the disk.
//
// InvalidArgument, PermissionDenied: as AllocateExtent(). OutOfRange: past the file's end.
// ResourceExhausted: the extent has holes and the file system is full; memory; or one of the limits
//   named at Mapping::Map(). What was brought in before stays, as part of the file.
// DataLoss: the file was truncated meanwhile, or the device failed.
// Unimplemented: Linux before 5.14. Touching the pages instead would bring the SIGBUS back.
absl::Status PopulateExtent(const MappedFile& file, uint64_t offset, uint64_t length);

// As AllocateExtent() and PopulateExtent(), in one, with a wish for the sizes of the pages: in
// files of a file system that follows it, the extent's holes are filled with such pages, as far as
// memory has them. The caller is the only one to change the file's size meanwhile, and to allocate
// behind the extent.
absl::Status AllocatePages(MappedFile& file, uint64_t offset, uint64_t length,
                           PageSizes page_sizes);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_ALLOCATE_H_
