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
#include "control/files/granted_files.h"
#include "control/files/huge_page_choice.h"
#include "control/state/place.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// The files as the file system has them. It keeps no descriptor open but those that users brought,
// so the number of lanes is not bound by the limit of open files.
//
// Thread-safe. Everything but Register(), Label() and Forget() blocks on the disk.
class FileStore : public GrantedFiles {
 public:
  // The directories, which exist, of files with durability CACHED and MEMORY.
  FileStore(std::string cached_directory, std::string memory_directory);

  // From now on, extents in memory that are whole huge pages are made of such, and smaller ones are
  // not. To be called before the first Back(). Without it, the file system decides.
  void UseHugePages(const HugePageChoice& choice) { huge_pages_ = choice; }

  void Register(uint64_t file_id, const std::string& name, v1::Durability durability) override;
  void Bring(uint64_t file_id, MappedFile file) override;
  absl::Status Back(const FileRange& range) override;
  absl::Status Free(const FileRange& range) override;
  absl::StatusOr<UniqueFd> Open(uint64_t file_id, v1::Protection protection) const override;
  std::string Label(uint64_t file_id) const override;
  std::optional<uint64_t> ReadWord(uint64_t file_id, uint64_t offset) const override;
  void Forget(uint64_t file_id) override;
  absl::Status Remove(const std::string& name, v1::Durability durability, bool truncate) override;
  absl::StatusOr<size_t> RemoveUnregistered() override;

  // Removes every file that is, by its name, the coordinator's.
  absl::Status RemoveAll(v1::Durability durability);

 private:
  struct File {
    std::string path;
    std::optional<MappedFile> brought;
    // Held while the file's size may change: a failed allocation cuts the file back to what it was.
    absl::Mutex size_mutex;
  };

  PageSizes PageSizesFor(const FileRange& range) const;
  const std::string& DirectoryOf(v1::Durability durability) const;
  std::string PathOf(const std::string& name, v1::Durability durability) const;
  std::shared_ptr<File> Find(uint64_t file_id) const;
  absl::StatusOr<size_t> RemoveWhere(v1::Durability durability, bool only_unregistered);

  const std::string cached_directory_;
  const std::string memory_directory_;
  HugePageChoice huge_pages_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<File>> files_ ABSL_GUARDED_BY(mutex_);
};

// True if the coordinator gives files such names: a kind, a dash and a number, such as "lane-17".
// Whatever else lies in its directories is not its own.
bool IsGrantedFileName(std::string_view name);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_FILES_FILE_STORE_H_
