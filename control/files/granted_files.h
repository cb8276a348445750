// The files that the coordinator grants, as those who need them see them.

#ifndef CAUSEWAY_CONTROL_FILES_GRANTED_FILES_H_
#define CAUSEWAY_CONTROL_FILES_GRANTED_FILES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/types.pb.h"
#include "control/state/place.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Creates, backs, opens and removes files by the names that the state machine chose. FileStore is
// the coordinator's; the simulation has one without a disk.
class GrantedFiles {
 public:
  virtual ~GrantedFiles() = default;

  // A file that exists since before this coordinator.
  virtual void Register(uint64_t file_id, const std::string& name, v1::Durability durability) = 0;

  // A file that a user brought. `file` is kept open until Forget().
  virtual void Bring(uint64_t file_id, MappedFile file) = 0;

  // Allocates and populates the range, and leaves nothing but zeros in it. With `range.create`
  // makes the file (mode 0600), which must not exist.
  //
  // ResourceExhausted: the file system is full; the message has the path, the needed and the free
  // bytes. What was allocated of the range may stay allocated: Free() it, or remove the file.
  // AlreadyExists: to be created, and there. NotFound: not to be created, and not there.
  virtual absl::Status Back(const FileRange& range) = 0;

  // Gives the blocks of the range back to the file system; its bytes are zero after. Ok if the file
  // is gone.
  virtual absl::Status Free(const FileRange& range) = 0;

  // A new descriptor, close-on-exec, that allows exactly `protection`: opened anew, not duplicated,
  // so that nothing of this process's rights or position comes with it.
  //
  // NotFound: no such file. InvalidArgument: no protection. PermissionDenied: more than the user
  // granted who brought the file.
  virtual absl::StatusOr<UniqueFd> Open(uint64_t file_id, v1::Protection protection) const = 0;

  // The file's path, or the label it was brought with; empty if it is not known.
  virtual std::string Label(uint64_t file_id) const = 0;

  // Eight bytes of a file of the coordinator's, as they are now: somebody else may be writing them.
  // Nothing if the file is not known, or ends before. For operators' eyes.
  virtual std::optional<uint64_t> ReadWord(uint64_t file_id, uint64_t offset) const = 0;

  // The file is nobody's any more: it cannot be opened from here on. Closes what was brought.
  virtual void Forget(uint64_t file_id) = 0;

  // Unlinks a file; with `truncate` cuts it to nothing first, so that its space comes back although
  // somebody may still have it mapped, and gets SIGBUS there. A missing file is no error.
  virtual absl::Status Remove(const std::string& name, v1::Durability durability,
                              bool truncate) = 0;

  // Removes the files that nobody registered and that are, by their names, the coordinator's: what
  // a crash between creating a file and recording it leaves. Returns how many.
  virtual absl::StatusOr<size_t> RemoveUnregistered() = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_FILES_GRANTED_FILES_H_
