// One window onto a file's bytes.
//
//   absl::StatusOr<MappedFile> file = MappedFile::Open("/data/input", Protection::kRead);
//   if (!file.ok()) return file.status();
//   absl::StatusOr<Mapping> mapping = Mapping::MapWhole(*file);
//   if (!mapping.ok()) return mapping.status();
//   Consume(mapping->data(), mapping->length());

#ifndef CAUSEWAY_MMAPCORE_MAPPING_H_
#define CAUSEWAY_MMAPCORE_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/protection.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {

// Who sees a store.
enum class Sharing {
  kShared,   // everyone who maps or reads the file, at once
  kPrivate,  // this process alone; a page is copied at its first store
};

// Which pages are made present, and mapped, before Map() returns. Later accesses then neither wait
// for the disk nor fault, until the kernel reclaims a page.
enum class Populate {
  kNone,
  kForReading,
  kForWriting,  // needs Protection::kReadWrite; of a private mapping it copies every page
};

// How the caller is about to use a range. Hints: they change speed, never bytes.
enum class Advice {
  kNormal,
  kSequential,
  kRandom,
  kWillNeed,   // starts reading ahead; does not wait
  kDontNeed,   // drops the pages from this process, not from the file; shared mappings only
  kHugePages,  // Unimplemented where the kernel was built without them
  kNoDump,     // leaves the range out of core dumps
};

// Which pages a file system in memory makes of what is not there yet, where it leaves that to the
// mapping (see huge_pages.h). Of pages that are there, nothing changes.
enum class PageSizes {
  kDefault,  // the file system's choice
  kHuge,     // huge ones, of what is a whole one and aligned in the file
  kSmall,
};

// How far Flush() goes.
enum class FlushMode {
  kAsync,  // returns at once. On Linux nothing more: the kernel writes back at its own time
  kSync,   // waits until the device says that the bytes are durable
};

struct MappingOptions {
  Protection protection = Protection::kRead;
  Sharing sharing = Sharing::kShared;
  Populate populate = Populate::kNone;
  PageSizes page_sizes = PageSizes::kDefault;  // a wish: nothing fails for it
  // Lost pages become damage() instead of SIGBUS. Needs SigbusGuard::Install() first.
  bool guarded = false;
  // Children of fork() have the mapping, too. If not (here, or by MappedFile::SetInherited()),
  // there is nothing at its addresses in a child: an access is a SIGSEGV, and can harm no file. The
  // child must then not destroy its copy of the Mapping: the addresses may be somebody else's.
  bool inherited = true;
};

// Owns a mapped range; unmaps it when it goes away. Move-only; a moved-from or default-constructed
// Mapping is empty: no data, length zero. The address is the kernel's choice, page-aligned, and the
// same for the mapping's whole life, through moves.
//
// Const member functions may be called from several threads. Nothing here synchronises access to
// the mapped bytes: other processes change them under the reader's eyes. No function waits for
// another process.
class Mapping {
 public:
  // Maps `length` bytes of `file` from `offset` on. The range must lie within the file as it is
  // now; `length` need not be a multiple of the page size, and length() says what was asked for,
  // though the kernel maps whole pages and what lies behind the file's end in the last page reads
  // as zero. The file may be closed at once. Blocks on the disk only when populating.
  //
  // Each rule is checked before the system call, and the message holds the values:
  // InvalidArgument: wrong for any file: the length is zero, the offset is not a multiple of the
  //   page size, or the range does not end below 2^63 (a negative offset is one that does not);
  //   Populate::kForWriting of a read-only mapping.
  // OutOfRange: the range ends past the file's end.
  // PermissionDenied: shared, writable, and the descriptor is read-only (or the file is sealed). A
  //   private writable mapping needs only the right to read.
  // FailedPrecondition: guarded, and the guard is not installed.
  // ResourceExhausted: the process's address space or number of mappings (vm.max_map_count); too
  //   many guarded ranges; populating found the file system, quota or memory full.
  // DataLoss: populating found the file truncated meanwhile or the disk failing.
  // Unimplemented: populating on Linux before 5.14, or a file system that cannot map.
  static absl::StatusOr<Mapping> Map(const MappedFile& file, uint64_t offset, uint64_t length,
                                     const MappingOptions& options = {});

  // Maps the file as long as it is now. As Map(); an empty file is InvalidArgument.
  static absl::StatusOr<Mapping> MapWhole(const MappedFile& file,
                                          const MappingOptions& options = {});

  Mapping() = default;
  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { Unmap().IgnoreError(); }

  // Unmaps now; the mapping is empty afterwards, whatever the result. Of an empty mapping: nothing.
  // ResourceExhausted: the kernel needed memory to split a mapping; the addresses stay taken.
  absl::Status Unmap();

  // The first byte; null if the mapping is empty. Valid until Unmap() or destruction.
  const std::byte* data() const { return data_; }

  // The first byte for storing; null unless the protection is kReadWrite.
  std::byte* mutable_data() {
    return options_.protection == Protection::kReadWrite ? data_ : nullptr;
  }

  // Bytes that were asked for.
  uint64_t length() const { return length_; }

  // Where in the file the mapping begins, bytes.
  uint64_t offset() const { return offset_; }

  // The options it was mapped with.
  const MappingOptions& options() const { return options_; }

  // Makes stores to `length` bytes from `begin` on (counted from the mapping's start; need not be
  // aligned, whole pages are flushed) durable. kSync blocks on the device.
  //
  // What OK from kSync means: every store to the range that happened before the call, by any
  // process that shares the file, is on the device, with the size and block map needed to read it
  // back (Linux: msync(MS_SYNC) is fdatasync() of the range). fsync() adds only timestamps and mode
  // bits. The file's directory entry is another matter: sync the directory once after creation. On
  // tmpfs nothing is ever durable, and OK says nothing.
  //
  // What an error means: see MappedFile::Sync(). The loss is reported once; a later OK proves
  // nothing.
  //
  // InvalidArgument: the length is zero, or the mapping is private: its stores reach no file.
  // OutOfRange: the range is not inside the mapping.
  // DataLoss: the device failed, or the mapping is damaged.
  // ResourceExhausted: the file system or quota is full.
  absl::Status Flush(uint64_t begin, uint64_t length, FlushMode mode) const;

  // Tells the kernel how the range will be used. `begin` counts from the mapping's start and need
  // not be aligned: the advice holds for whole pages.
  //
  // InvalidArgument: the length is zero; kDontNeed of a private mapping, which would lose stores.
  // OutOfRange: the range is not inside the mapping.
  // Unimplemented: the kernel does not know the advice.
  absl::Status Advise(uint64_t begin, uint64_t length, Advice advice) const;

  // True once an access has found a page lost: the bytes read since may be zeros that nobody wrote.
  // Always false if not guarded. Costs one load: ask it once per frame, after reading the frame.
  bool damaged() const { return guard_.damaged(); }

  // OK, or DataLoss with the file, the file offset of the first fault, and what may have happened.
  absl::Status damage() const;

 private:
  absl::Status CheckWithin(absl::string_view operation, uint64_t begin, uint64_t length) const;

  std::byte* data_ = nullptr;
  uint64_t length_ = 0;         // what was asked for
  uint64_t mapped_length_ = 0;  // what the kernel mapped: length_ in whole pages
  uint64_t offset_ = 0;
  MappingOptions options_;
  std::string label_;
  GuardedRange guard_;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_MAPPING_H_
