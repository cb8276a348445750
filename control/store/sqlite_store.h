// The store that a coordinator has by default: one SQLite file, <dir>/state.db.
//
// The file is in WAL mode with synchronous=FULL: a commit appends to state.db-wal and syncs it. The
// two files belong together. Back them up with `sqlite3 state.db ".backup copy.db"` while no
// coordinator runs; to restore, remove state.db-wal and put the copy in the place of state.db. Any
// SQLite program can read the file while no coordinator has it open: table `record(tbl, key,
// value)`.
//
// The process that has the store open holds SQLite's exclusive lock, which the kernel drops when
// the process dies; there is no stale lock to remove.

#ifndef CAUSEWAY_CONTROL_STORE_SQLITE_STORE_H_
#define CAUSEWAY_CONTROL_STORE_SQLITE_STORE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "control/store/store.h"

namespace causeway {

// SQLite's application_id of a state file ("Cway") and its user_version, the format.
inline constexpr int32_t kSqliteApplicationId = 0x43776179;
inline constexpr int32_t kSqliteFormatVersion = 1;

// Opens the state file at `path`, or creates it if there is nothing: whole and synced under the
// name `path`.new and then renamed, so that a crash leaves either no state file or a usable one.
// The folder must exist. Blocks for disk I/O: it reads the whole file once, to check it.
//
// A file that is not accepted is left as it is, byte for byte. Every message names `path`:
//   FailedPrecondition: a database of another application; a file that is no SQLite database; a
//     format newer than kSqliteFormatVersion (the message gives both versions).
//   DataLoss: a state file that is truncated, empty or damaged; restore it from a backup.
//   Unavailable: another process (or this one) has the store open, and still after a second.
//   InvalidArgument: `path` is a folder or otherwise no regular file.
//   NotFound: the folder does not exist.
//   PermissionDenied: the file or its folder may not be read or written.
//   ResourceExhausted: the file system, memory or the table of descriptors is full. There must be
//     room to move into the file what a predecessor that died left in the log, at most some MiB.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(std::string_view path);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_SQLITE_STORE_H_
