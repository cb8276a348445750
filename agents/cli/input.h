// Where an exchange takes its bytes from.

#ifndef CAUSEWAY_AGENTS_CLI_INPUT_H_
#define CAUSEWAY_AGENTS_CLI_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "mmapcore/mapping.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Opens what the user named: a file, a pipe, a device, or "-" for standard input. Blocks while a
// named pipe has no writer.
//
// NotFound, PermissionDenied and others: as open(2) says, with the path.
// InvalidArgument: the path is empty, or a directory.
absl::StatusOr<UniqueFd> OpenInput(const std::string& path);

// Bytes from where a regular file's descriptor stands to its end. None if it is something else, or
// says that it is empty, as files of /proc do.
std::optional<uint64_t> InputSize(int fd);

// The path of the largest shared library that this process has loaded: real bytes that are there on
// every machine. The program itself, if it has loaded none.
std::string LargestLoadedLibrary();

// Reads a descriptor from where it stands to its end, into memory that the caller chooses. A
// regular file is mapped; everything else (and files without a size, such as those of /proc) is
// read. Not thread-safe. Move-only.
class Input {
 public:
  // Takes over `fd`. `label` stands for it in messages. Installs the SIGBUS guard.
  // InvalidArgument: a directory. Others: as fstat(2) and Mapping::Map().
  static absl::StatusOr<Input> FromFd(UniqueFd fd, std::string label);

  // Puts up to `destination.size()` bytes, which must not be zero, there and returns their number:
  // zero at the end of the input. Of a pipe or terminal it returns what is there, and blocks only
  // while there is nothing.
  // DataLoss: the file was truncated while it was read. Others: as read(2).
  absl::StatusOr<size_t> Read(std::span<std::byte> destination);

  // Starts anew from where the descriptor stood at first. Only if size() has a value.
  void Rewind() { position_ = 0; }

  // Bytes between Rewind() and the end; of a mapped file only.
  std::optional<uint64_t> size() const { return size_; }

  const std::string& label() const { return label_; }

 private:
  explicit Input(std::string label) : label_(std::move(label)) {}

  std::string label_;
  UniqueFd fd_;
  Mapping mapping_;        // from the page in which the input begins
  uint64_t skip_ = 0;      // bytes of the mapping before the input
  uint64_t position_ = 0;  // counted from the input's begin
  std::optional<uint64_t> size_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_INPUT_H_
