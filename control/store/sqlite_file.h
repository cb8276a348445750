// The state file as such: how it comes into being, and what must be true of one that is there.

#ifndef CAUSEWAY_CONTROL_STORE_SQLITE_FILE_H_
#define CAUSEWAY_CONTROL_STORE_SQLITE_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "control/store/sqlite_database.h"

namespace causeway {

// Opens the state file at `path`, or creates it first: what OpenSqliteStore() promises. The
// connection holds the exclusive lock, is in WAL mode with synchronous=FULL, does no checkpoints by
// itself but when it is closed, and the file has been checked.
absl::StatusOr<SqliteDatabase> OpenStateFile(const std::string& path);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_SQLITE_FILE_H_
