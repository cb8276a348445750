// The files that the coordinator grants, as the file system has them.

#ifndef CAUSEWAY_CONTROL_FILES_FILE_STORE_H_
#define CAUSEWAY_CONTROL_FILES_FILE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "control/api/v1/types.pb.h"
#include "control/state/place.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// Creates, backs, opens and removes files by the names that the state machine chose. It keeps no
// descriptor open but those that users brought, so the number of lanes is not bound by the limit of
// open files.
//
// Thread-safe. Everything but Register(), Label() and Forget() blocks on the disk.
class FileStore {
 public:
  // The directories, which exist, of files with durability CACHED and MEMORY.
  FileStore(std::string cached_directory, std::string memory_directory);

  // A file that exists since before this coordinator.
  void Register(uint64_t file_id, const std::string& name, v1::Durability durability);

  // A file that a user brought. `file` is kept open until Forget().
  void Bring(uint64_t file_id, MappedFile file);

  // Allocates and populates the range, and leaves nothing but zeros in it. With `range.create`
  // makes the file (mode 0600), which must not exist.
  //
  // ResourceExhausted: the file system is full; the message has the path, the needed and the free
  // bytes. What was allocated of the range may stay allocated: Free() it, or remove the file.
  // AlreadyExists: to be created, and there. NotFound: not to be created, and not there.
  absl::Status Back(const FileRange& range);

  // Gives the blocks of the range back to the file system; its bytes are zero after. Ok if the file
  // is gone.
  absl::Status Free(const FileRange& range);

  // A new descriptor, close-on-exec, that allows exactly `protection`: opened anew, not duplicated,
  // so that nothing of this process's rights or position comes with it.
  //
  // NotFound: no such file. InvalidArgument: no protection. PermissionDenied: more than the user
  // granted who brought the file.
  absl::StatusOr<UniqueFd> Open(uint64_t file_id, v1::Protection protection) const;

  // The file's path, or the label it was brought with; empty if it is not known.
  std::string Label(uint64_t file_id) const;

  // Eight bytes of a file of the coordinator's, as they are now: somebody else may be writing them.
  // Nothing if the file is not known, or ends before. For operators' eyes.
  std::optional<uint64_t> ReadWord(uint64_t file_id, uint64_t offset) const;

  // The file is nobody's any more: it cannot be opened from here on. Closes what was brought.
  void Forget(uint64_t file_id);

  // Unlinks a file; with `truncate` cuts it to nothing first, so that its space comes back although
  // somebody may still have it mapped, and gets SIGBUS there. A missing file is no error.
  absl::Status Remove(const std::string& name, v1::Durability durability, bool truncate);

  // Removes the files that nobody registered and that are, by their names, the coordinator's: what
  // a crash between creating a file and recording it leaves. Returns how many.
  absl::StatusOr<size_t> RemoveUnregistered();

  // Removes every file that is, by its name, the coordinator's.
  absl::Status RemoveAll(v1::Durability durability);

 private:
  struct File {
    std::string path;
    std::optional<MappedFile> brought;
    // Held while the file's size may change: a failed allocation cuts the file back to what it was.
    absl::Mutex size_mutex;
  };

  const std::string& DirectoryOf(v1::Durability durability) const;
  std::string PathOf(const std::string& name, v1::Durability durability) const;
  std::shared_ptr<File> Find(uint64_t file_id) const;
  absl::StatusOr<size_t> RemoveWhere(v1::Durability durability, bool only_unregistered);

  const std::string cached_directory_;
  const std::string memory_directory_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<File>> files_ ABSL_GUARDED_BY(mutex_);
};

// True if the coordinator gives files such names: a kind, a dash and a number, such as "lane-17".
// Whatever else lies in its directories is not its own.
bool IsGrantedFileName(std::string_view name);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_FILES_FILE_STORE_H_
