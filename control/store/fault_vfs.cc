#include "control/store/fault_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace causeway::testing {
namespace {

constexpr size_t kSectorBytes = 512;

// A file of SQLite's, followed in memory by the real one.
struct FaultFile {
  sqlite3_file base;
  std::string* path;  // owned

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

FaultFile* Of(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real(); }

sqlite3_vfs* real_vfs = nullptr;
FaultVfs* faults = nullptr;

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int Close(sqlite3_file* file) {
  const int code = Real(file)->pMethods->xClose(Real(file));
  delete Of(file)->path;
  return code;
}

int Read(sqlite3_file* file, void* buffer, int bytes, sqlite3_int64 offset) {
  return Real(file)->pMethods->xRead(Real(file), buffer, bytes, offset);
}

int Write(sqlite3_file* file, const void* buffer, int bytes, sqlite3_int64 offset) {
  const std::optional<FaultVfs::Fault> fault = faults->Count(FaultVfs::Call::kWrite);
  if (fault.has_value()) bytes = static_cast<int>(faults->random()() % bytes);
  if (bytes > 0) {
    const int code = Real(file)->pMethods->xWrite(Real(file), buffer, bytes, offset);
    if (code != SQLITE_OK) return code;
    faults->NoteWritten(*Of(file)->path, offset,
                        std::string(static_cast<const char*>(buffer), bytes));
  }
  if (!fault.has_value()) return SQLITE_OK;
  return *fault == FaultVfs::Fault::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int Truncate(sqlite3_file* file, sqlite3_int64 bytes) {
  if (faults->Count(FaultVfs::Call::kTruncate).has_value()) return SQLITE_IOERR_TRUNCATE;
  faults->NoteTruncated(*Of(file)->path, bytes);
  return Real(file)->pMethods->xTruncate(Real(file), bytes);
}

int Sync(sqlite3_file* file, int) {
  const bool fails = faults->Count(FaultVfs::Call::kSync).has_value();
  faults->NoteSynced(*Of(file)->path, !fails);
  return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;  // the real file need not survive anything
}

int FileSize(sqlite3_file* file, sqlite3_int64* bytes) {
  return Real(file)->pMethods->xFileSize(Real(file), bytes);
}

int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }

int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}

int CheckReservedLock(sqlite3_file* file, int* locked) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), locked);
}

int FileControl(sqlite3_file* file, int operation, void* argument) {
  // Hints about the size would make the real file longer behind our back.
  if (operation == SQLITE_FCNTL_SIZE_HINT) return SQLITE_OK;
  return Real(file)->pMethods->xFileControl(Real(file), operation, argument);
}

int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }

int DeviceCharacteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}

const sqlite3_io_methods kMethods = {
    .iVersion = 1,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
};

int Open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* flags_out) {
  file->pMethods = nullptr;
  if (faults->Count(FaultVfs::Call::kOpen).has_value()) {
    errno = EIO;
    return SQLITE_CANTOPEN;
  }
  const std::string name = path == nullptr ? "" : path;
  const bool existed = std::filesystem::exists(name);
  const int code = real_vfs->xOpen(real_vfs, path, Real(file), flags, flags_out);
  if (code != SQLITE_OK) return code;
  Of(file)->path = new std::string(name);
  file->pMethods = &kMethods;
  faults->NoteOpened(name, existed);
  return SQLITE_OK;
}

int Remove(sqlite3_vfs*, const char* path, int sync) {
  if (faults->Count(FaultVfs::Call::kRemove).has_value()) return SQLITE_IOERR_DELETE;
  faults->NoteRemoved(path, sync != 0);
  return real_vfs->xDelete(real_vfs, path, sync);
}

}  // namespace

FaultVfs& FaultVfs::Install() {
  if (faults != nullptr) return *faults;
  faults = new FaultVfs();
  real_vfs = sqlite3_vfs_find(nullptr);
  // The other functions do not look at the structure that they are called with.
  static sqlite3_vfs vfs = *real_vfs;
  vfs.zName = "fault";
  vfs.szOsFile = sizeof(FaultFile) + real_vfs->szOsFile;
  vfs.xOpen = Open;
  vfs.xDelete = Remove;
  sqlite3_vfs_register(&vfs, /*makeDflt=*/1);
  return *faults;
}

void FaultVfs::Reset(uint64_t seed) {
  random_.seed(seed);
  disks_.clear();
  calls_ = 0;
  fail_first_ = 0;
  fail_last_ = -1;
  fail_next_sync_ = false;
  cut_at_.reset();
}

void FaultVfs::Fail(int64_t first, int64_t last, Fault fault) {
  fail_first_ = first;
  fail_last_ = last;
  fault_ = fault;
}

void FaultVfs::FailNextSync() { fail_next_sync_ = true; }

void FaultVfs::CutPower(int64_t call) { cut_at_ = std::min(call, cut_at_.value_or(call)); }

std::optional<FaultVfs::Fault> FaultVfs::Count(Call call) {
  ++calls_;
  if (cut_at_.has_value() && calls_ >= *cut_at_) return Fault::kIoError;
  if (call == Call::kSync && std::exchange(fail_next_sync_, false)) return Fault::kIoError;
  if (calls_ < fail_first_ || calls_ > fail_last_) return std::nullopt;
  if (fault_ == Fault::kFull && call != Call::kWrite) return std::nullopt;
  return fault_;
}

void FaultVfs::NoteOpened(const std::string& path, bool existed) {
  const auto [disk, inserted] = disks_.try_emplace(path);
  if (inserted && existed) disk->second.content = ReadWholeFile(path);
}

void FaultVfs::NoteWritten(const std::string& path, int64_t offset, std::string bytes) {
  if (cut_at_.has_value() && calls_ >= *cut_at_) return;
  disks_[path].unsynced.push_back({.truncate = false, .offset = offset, .bytes = std::move(bytes)});
}

void FaultVfs::NoteTruncated(const std::string& path, int64_t bytes) {
  disks_[path].unsynced.push_back({.truncate = true, .offset = bytes, .bytes = {}});
}

void FaultVfs::NoteSynced(const std::string& path, bool ok) {
  if (cut_at_.has_value() && calls_ >= *cut_at_) return;
  Disk& disk = disks_[path];
  // The first sync of a new file syncs its folder, too, as SQLite's own files do.
  if (ok && !disk.content.has_value()) disk.content.emplace();
  Apply(disk, ok);
}

void FaultVfs::NoteRemoved(const std::string& path, bool synced) {
  if (synced || random_() % 2 == 0) disks_[path] = Disk();
}

void FaultVfs::Apply(Disk& disk, bool all) {
  const auto reaches_the_disk = [&] { return all || random_() % 2 == 0; };
  if (!disk.content.has_value() && disk.unsynced.empty()) return;
  if (!disk.content.has_value() && reaches_the_disk()) disk.content.emplace();
  for (const Change& change : std::exchange(disk.unsynced, {})) {
    if (!disk.content.has_value()) continue;
    std::string& content = *disk.content;
    if (change.truncate) {
      if (reaches_the_disk()) content.resize(change.offset);
      continue;
    }
    for (size_t done = 0; done < change.bytes.size();) {
      const size_t offset = change.offset + done;
      const size_t bytes =
          std::min(change.bytes.size() - done, kSectorBytes - offset % kSectorBytes);
      if (reaches_the_disk()) {
        if (content.size() < offset + bytes) content.resize(offset + bytes);
        content.replace(offset, bytes, change.bytes, done, bytes);
      }
      done += bytes;
    }
  }
}

void FaultVfs::RestoreFromDisks() {
  for (auto& [path, disk] : disks_) {
    Apply(disk, /*all=*/false);
    std::filesystem::remove(path);
    if (!disk.content.has_value()) continue;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << *disk.content;
  }
}

}  // namespace causeway::testing
