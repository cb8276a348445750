// A disk for SQLite that fails, fills up and loses power when a test says so.
//
// It stands between SQLite and the real files. Of each file it also keeps what a disk would have of
// it: what was synced, and, in any selection, what was written since. A sync that fails is the one
// of Linux: what was written counts as clean from then on, though the disk may have none of it, and
// the next sync succeeds without it.

#ifndef CAUSEWAY_CONTROL_STORE_FAULT_VFS_H_
#define CAUSEWAY_CONTROL_STORE_FAULT_VFS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace causeway::testing {

// For one thread. Calls are those that open, write, truncate, sync or remove a file, numbered
// from 1.
class FaultVfs {
 public:
  enum class Fault {
    kIoError,  // EIO; a write may have written a part
    kFull,     // a write finds the disk full, having written a part; other calls succeed
  };

  // Makes all connections opened from now on use it. Once per process.
  static FaultVfs& Install();

  // Forgets faults, calls and disks. No file may be open.
  void Reset(uint64_t seed);

  // The calls `first` to `last` fail.
  void Fail(int64_t first, int64_t last, Fault fault);

  // The next sync fails.
  void FailNextSync();

  // Just before call `call`, or the earliest of several, the power goes: the disks stay as they
  // are, every later call fails.
  void CutPower(int64_t call);

  int64_t calls() const { return calls_; }

  // Makes the real files what is left of them on their disks. No file may be open.
  void RestoreFromDisks();

  // For the functions that SQLite calls.
  enum class Call { kOpen, kWrite, kTruncate, kSync, kRemove };
  std::optional<Fault> Count(Call call);
  void NoteOpened(const std::string& path, bool existed);
  void NoteWritten(const std::string& path, int64_t offset, std::string bytes);
  void NoteTruncated(const std::string& path, int64_t bytes);
  void NoteSynced(const std::string& path, bool ok);
  void NoteRemoved(const std::string& path, bool synced);
  std::mt19937_64& random() { return random_; }

 private:
  struct Change {
    bool truncate;
    int64_t offset;
    std::string bytes;
  };
  struct Disk {
    std::optional<std::string> content;  // nothing: the file has no durable name
    std::vector<Change> unsynced;
  };

  FaultVfs() = default;

  // Applies the unsynced changes, all or any of their sectors.
  void Apply(Disk& disk, bool all);

  std::mt19937_64 random_;
  std::map<std::string, Disk> disks_;
  int64_t calls_ = 0;
  int64_t fail_first_ = 0;
  int64_t fail_last_ = -1;
  Fault fault_ = Fault::kIoError;
  bool fail_next_sync_ = false;
  std::optional<int64_t> cut_at_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_STORE_FAULT_VFS_H_
