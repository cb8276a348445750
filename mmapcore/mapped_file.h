// An open file whose bytes are shared by mapping it.

#ifndef CAUSEWAY_MMAPCORE_MAPPED_FILE_H_
#define CAUSEWAY_MMAPCORE_MAPPED_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/protection.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// An open regular file, the rights of its descriptor, and the name it has in messages. Only regular
// files (memfds among them) can be had: directories, pipes, sockets, devices and descriptors opened
// with O_PATH or for writing only are refused when the object is made, so that whoever holds one
// need not ask again. A huge-page file system (hugetlbfs) is refused as well: its pages are not
// PageSize() long.
//
// Mappings do not depend on it: it may be closed as soon as Mapping::Map() has returned.
//
// Move-only; a moved-from file may only be assigned to or destroyed. Const member functions may be
// called from several threads. All descriptors are close-on-exec. Functions may block on the disk;
// none waits for another process.
class MappedFile {
 public:
  // What Create() does with a file that exists already.
  enum class IfExists {
    kFail,  // AlreadyExists; also for a symbolic link, which is then not followed
    kOpen,  // opens it and leaves its bytes and its mode alone
  };

  // Creates an empty file at `path` for reading and writing, with permission bits `mode` less the
  // process's umask. The directory entry is durable only once the directory itself was synced.
  //
  // InvalidArgument: the path is empty or holds a NUL, or names something other than a regular
  // file. AlreadyExists, NotFound (no such directory), PermissionDenied, ResourceExhausted
  // (descriptors, inodes, quota): as the kernel says.
  static absl::StatusOr<MappedFile> Create(const std::string& path, mode_t mode,
                                           IfExists if_exists = IfExists::kFail);

  // Opens an existing file with the given rights. Does not block on a pipe that has no writer.
  // Errors as for Create().
  static absl::StatusOr<MappedFile> Open(const std::string& path, Protection protection);

  // Takes over a descriptor, for instance one that arrived over a socket. The rights are what the
  // kernel says they are. `label` stands for the path in messages. The descriptor is closed if it
  // is refused.
  //
  // InvalidArgument: not an open descriptor, not a regular file, or on hugetlbfs.
  // PermissionDenied: opened with O_WRONLY or O_PATH; neither can be mapped.
  static absl::StatusOr<MappedFile> FromFd(UniqueFd fd, std::string label);

  // A second, independent descriptor of the same file with the right to read only: what a reader is
  // handed. Needs /proc. Note what this does not prevent: a process that may open the file by its
  // mode bits (the same uid, root) can reopen the descriptor for writing through /proc/self/fd.
  //
  // NotFound: /proc is not mounted. PermissionDenied: the file's mode forbids reading.
  absl::StatusOr<MappedFile> OpenReadOnly() const;

  MappedFile(MappedFile&&) noexcept = default;
  MappedFile& operator=(MappedFile&&) noexcept = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // The descriptor, owned by this object: valid until it is destroyed, assigned to or moved from.
  int fd() const { return fd_.get(); }

  // The path it was opened by, or the label it came with. For messages.
  const std::string& label() const { return label_; }

  // The rights of the descriptor, read from the kernel when the object was made.
  Protection protection() const { return protection_; }

  // Whether children of fork() inherit mappings of this file: the beginning is that they do, unless
  // MappingOptions says otherwise. Holds for mappings that are made later.
  void SetInherited(bool inherited) { inherited_ = inherited; }
  bool inherited() const { return inherited_; }

  // The file's size now, in bytes. Another process may change it at any time.
  // DataLoss and others: fstat() failed.
  absl::StatusOr<uint64_t> Size() const;

  // Sets the size in bytes. Growing makes a hole: nothing is allocated (see AllocateExtent()).
  // Shrinking takes pages away under every mapping of them, in every process: an access there is a
  // SIGBUS, or damage where the mapping is guarded.
  //
  // InvalidArgument: 2^63 or more. PermissionDenied: the descriptor is read-only, or the file is
  // sealed. OutOfRange: more than the file system allows. ResourceExhausted: above the process's
  // limit RLIMIT_FSIZE, where the kernel would have sent SIGXFSZ.
  absl::Status Resize(uint64_t size);

  // Writes every dirty page of the file, its size and its attributes to the device, and waits for
  // the device to say that they are durable (fsync). Not the directory entry.
  //
  // The kernel reports a failed write once per open file description, and the pages are clean
  // afterwards: once this has failed, a later success proves nothing. Whoever promised durability
  // must remember the failure. Mapping::Flush() takes its report from the same place, so the two
  // must not be used as two opinions.
  //
  // DataLoss: the device failed. ResourceExhausted: no room for pages that had been written to a
  // hole.
  absl::Status Sync();

 private:
  MappedFile(UniqueFd fd, std::string label, Protection protection)
      : fd_(std::move(fd)), label_(std::move(label)), protection_(protection) {}

  UniqueFd fd_;
  std::string label_;
  Protection protection_;
  bool inherited_ = true;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_MAPPED_FILE_H_
