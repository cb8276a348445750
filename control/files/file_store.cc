#include "control/files/file_store.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/allocate.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

absl::Status PunchHole(const MappedFile& file, uint64_t offset, uint64_t length) {
  int result;
  do {
    result = fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(offset), static_cast<off_t>(length));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return absl::OkStatus();
  return StatusFromErrno(errno, {.operation = "fallocate(FALLOC_FL_PUNCH_HOLE)",
                                 .path = file.label(),
                                 .offset = offset,
                                 .length = length});
}

// A descriptor of the same file, opened anew.
absl::StatusOr<UniqueFd> Reopen(const std::string& path, int flags, const std::string& label) {
  UniqueFd descriptor(open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY));
  if (!descriptor.valid()) return StatusFromErrno(errno, {.operation = "open", .path = label});
  return descriptor;
}

absl::StatusOr<UniqueFd> OpenBrought(const MappedFile& file, Protection protection) {
  if (protection == file.protection()) {
    // As the user opened it: perhaps by a right that this process has not.
    UniqueFd descriptor(fcntl(file.fd(), F_DUPFD_CLOEXEC, 0));
    if (!descriptor.valid()) {
      return StatusFromErrno(errno, {.operation = "fcntl(F_DUPFD_CLOEXEC)", .path = file.label()});
    }
    return descriptor;
  }
  if (protection == Protection::kReadWrite) {
    return absl::PermissionDeniedError(
        absl::StrCat(file.label(), " was brought for reading only; bring it for writing, too"));
  }
  return Reopen(absl::StrCat("/proc/self/fd/", file.fd()), O_RDONLY, file.label());
}

}  // namespace

bool IsGrantedFileName(std::string_view name) {
  const size_t dash = name.find('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view kind = name.substr(0, dash);
  const std::string_view number = name.substr(dash + 1);
  return (kind == "lane" || kind == "cursor") && !number.empty() &&
         std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
}

FileStore::FileStore(std::string cached_directory, std::string memory_directory)
    : cached_directory_(std::move(cached_directory)),
      memory_directory_(std::move(memory_directory)) {}

const std::string& FileStore::DirectoryOf(v1::Durability durability) const {
  return durability == v1::DURABILITY_MEMORY ? memory_directory_ : cached_directory_;
}

std::string FileStore::PathOf(const std::string& name, v1::Durability durability) const {
  return absl::StrCat(DirectoryOf(durability), "/", name);
}

std::shared_ptr<FileStore::File> FileStore::Find(uint64_t file_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = files_.find(file_id);
  return found == files_.end() ? nullptr : found->second;
}

void FileStore::Register(uint64_t file_id, const std::string& name, v1::Durability durability) {
  auto file = std::make_shared<File>();
  file->path = PathOf(name, durability);
  absl::MutexLock lock(&mutex_);
  files_[file_id] = std::move(file);
}

void FileStore::Bring(uint64_t file_id, MappedFile brought) {
  auto file = std::make_shared<File>();
  file->path = brought.label();
  file->brought = std::move(brought);
  absl::MutexLock lock(&mutex_);
  files_[file_id] = std::move(file);
}

PageSizes FileStore::PageSizesFor(const FileRange& range) const {
  if (range.durability != v1::DURABILITY_MEMORY) return PageSizes::kDefault;
  const uint64_t huge = huge_pages_.bytes;
  if (huge != 0 && range.offset % huge == 0 && range.length % huge == 0) return PageSizes::kHuge;
  return huge_pages_.advise_small ? PageSizes::kSmall : PageSizes::kDefault;
}

absl::Status FileStore::Back(const FileRange& range) {
  const std::string path = PathOf(range.name, range.durability);
  absl::StatusOr<MappedFile> file = range.create ? MappedFile::Create(path, 0600)
                                                 : MappedFile::Open(path, Protection::kReadWrite);
  if (!file.ok()) return file.status();
  CAUSEWAY_CRASH_POINT("coordinator.file.opened");
  if (range.create) Register(range.file_id, range.name, range.durability);
  if (range.length == 0) return absl::OkStatus();

  const std::shared_ptr<File> known = Find(range.file_id);
  if (known == nullptr) return absl::NotFoundError(absl::StrCat(path, " is no file of any lane"));
  {
    absl::MutexLock lock(&known->size_mutex);
    if (!range.create) {
      const absl::Status emptied = PunchHole(*file, range.offset, range.length);
      if (!emptied.ok()) return emptied;
    }
    const PageSizes page_sizes = PageSizesFor(range);
    if (page_sizes != PageSizes::kDefault) {
      return AllocatePages(*file, range.offset, range.length, page_sizes);
    }
    const absl::Status allocated = AllocateExtent(*file, range.offset, range.length);
    if (!allocated.ok()) return allocated;
  }
  CAUSEWAY_CRASH_POINT("coordinator.file.allocated");
  return PopulateExtent(*file, range.offset, range.length);
}

absl::Status FileStore::Free(const FileRange& range) {
  absl::StatusOr<MappedFile> file =
      MappedFile::Open(PathOf(range.name, range.durability), Protection::kReadWrite);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) return file.status();
  return PunchHole(*file, range.offset, range.length);
}

absl::StatusOr<UniqueFd> FileStore::Open(uint64_t file_id, v1::Protection protection) const {
  if (protection != v1::PROTECTION_READ && protection != v1::PROTECTION_READ_WRITE) {
    return absl::InvalidArgumentError(absl::StrCat("file ", file_id, ": protection ",
                                                   static_cast<int>(protection),
                                                   " is neither reading nor reading and writing"));
  }
  const std::shared_ptr<File> file = Find(file_id);
  if (file == nullptr) return absl::NotFoundError(absl::StrCat("no file has the id ", file_id));
  const bool writable = protection == v1::PROTECTION_READ_WRITE;
  if (file->brought.has_value()) {
    return OpenBrought(*file->brought, writable ? Protection::kReadWrite : Protection::kRead);
  }
  return Reopen(file->path, writable ? O_RDWR : O_RDONLY, file->path);
}

std::string FileStore::Label(uint64_t file_id) const {
  const std::shared_ptr<File> file = Find(file_id);
  return file == nullptr ? "" : file->path;
}

std::optional<uint64_t> FileStore::ReadWord(uint64_t file_id, uint64_t offset) const {
  const absl::StatusOr<UniqueFd> file = Open(file_id, v1::PROTECTION_READ);
  uint64_t word;
  if (!file.ok() ||
      pread(file->get(), &word, sizeof(word), static_cast<off_t>(offset)) != sizeof(word)) {
    return std::nullopt;
  }
  return le64toh(word);
}

void FileStore::Forget(uint64_t file_id) {
  absl::MutexLock lock(&mutex_);
  files_.erase(file_id);
}

absl::Status FileStore::Remove(const std::string& name, v1::Durability durability, bool truncate) {
  const std::string path = PathOf(name, durability);
  // Unlinked before it is cut: nobody opens it any more when its bytes go.
  absl::StatusOr<MappedFile> file =
      truncate ? MappedFile::Open(path, Protection::kReadWrite) : absl::NotFoundError("not needed");
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return StatusFromErrno(errno, {.operation = "unlink", .path = path});
  }
  CAUSEWAY_CRASH_POINT("coordinator.file.unlinked");
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) return file.status();
  return file->Resize(0);
}

absl::StatusOr<size_t> FileStore::RemoveUnregistered() {
  size_t removed = 0;
  for (v1::Durability durability : {v1::DURABILITY_CACHED, v1::DURABILITY_MEMORY}) {
    absl::StatusOr<size_t> count = RemoveWhere(durability, /*only_unregistered=*/true);
    if (!count.ok()) return count.status();
    removed += *count;
  }
  return removed;
}

absl::Status FileStore::RemoveAll(v1::Durability durability) {
  return RemoveWhere(durability, /*only_unregistered=*/false).status();
}

absl::StatusOr<size_t> FileStore::RemoveWhere(v1::Durability durability, bool only_unregistered) {
  std::set<std::string> registered;
  if (only_unregistered) {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, file] : files_) registered.insert(file->path);
  }
  const std::string& directory = DirectoryOf(durability);
  size_t removed = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!IsGrantedFileName(name) || registered.contains(absl::StrCat(directory, "/", name))) {
      continue;
    }
    absl::Status status = Remove(name, durability, /*truncate=*/false);
    if (!status.ok()) return status;
    ++removed;
  }
  if (error) return StatusFromErrno(error.value(), {.operation = "readdir", .path = directory});
  return removed;
}

}  // namespace causeway
