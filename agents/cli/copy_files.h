// The two ends of a copy: a source that must not change meanwhile, and a target that has no name
// until it is complete.

#ifndef CAUSEWAY_AGENTS_CLI_COPY_FILES_H_
#define CAUSEWAY_AGENTS_CLI_COPY_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// A regular file, open for reading, as it was when it was opened. Move-only.
class CopySource {
 public:
  // InvalidArgument: not a regular file. NotFound, PermissionDenied and others: as open(2).
  static absl::StatusOr<CopySource> Open(const std::string& path);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  const struct stat& status() const { return status_; }
  uint64_t size() const { return static_cast<uint64_t>(status_.st_size); }

  // OK if nobody wrote to the file or resized it since it was opened, as far as its size and its
  // time of modification tell. Aborted: both sizes.
  absl::Status CheckUnchanged() const;

 private:
  CopySource(UniqueFd fd, std::string path, const struct stat& status)
      : fd_(std::move(fd)), path_(std::move(path)), status_(status) {}

  UniqueFd fd_;
  std::string path_;
  struct stat status_;
};

// A new file in the target's directory, for reading and writing, which takes the target's name
// only in Publish(); a reader of that name sees the old file or the whole new one. Where the file
// system can (O_TMPFILE), it has no name before, so that nothing is left even after SIGKILL; where
// it cannot, it has a hidden name that the destructor removes. Move-only.
class CopyTarget {
 public:
  // Creates the file for a copy of `source`. If `path` is a directory, the target is the file of
  // the source's name in it; if it is a symbolic link to a file, the target is that file.
  //
  // InvalidArgument: source and target are the same file, or the target exists and is not a regular
  // file. NotFound: no such directory. PermissionDenied: its mode forbids it.
  static absl::StatusOr<CopyTarget> Create(const CopySource& source, const std::string& path);

  CopyTarget(CopyTarget&&) noexcept = default;
  CopyTarget& operator=(CopyTarget&&) = delete;
  ~CopyTarget();

  int fd() const { return fd_.get(); }

  // The name that Publish() gives, with directories and links resolved.
  const std::string& path() const { return path_; }

  // Makes the file `size` bytes long, with storage for each of them.
  // ResourceExhausted: not enough space; the message says how much is needed and free.
  absl::Status Allocate(uint64_t size);

  // Gives the file the source's permission bits (less the umask), or with `preserve` its mode,
  // times and, as far as this user may, owner; and then the target's name, atomically.
  absl::Status Publish(const CopySource& source, bool preserve);

 private:
  CopyTarget(UniqueFd fd, std::string path, std::string hidden_path)
      : fd_(std::move(fd)), path_(std::move(path)), hidden_path_(std::move(hidden_path)) {}

  UniqueFd fd_;  // not valid once moved from
  std::string path_;
  std::string hidden_path_;  // empty: the file has no name
};

// Reads both files, as long as the source was when it was opened, and compares every byte.
// DataLoss: the offset of the first difference. Aborted: one of them is shorter by now.
absl::Status CompareBytes(const CopySource& source, const CopyTarget& target);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_COPY_FILES_H_
