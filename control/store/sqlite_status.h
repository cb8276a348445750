// From SQLite's result codes to absl::Status.

#ifndef CAUSEWAY_CONTROL_STORE_SQLITE_STATUS_H_
#define CAUSEWAY_CONTROL_STORE_SQLITE_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace causeway {

// What failed. The views need to live only for the call that they are passed to.
struct SqliteFailure {
  int extended_code;           // what the function of SQLite returned; not SQLITE_OK
  int system_errno;            // sqlite3_system_errno() right after; 0: none
  std::string_view operation;  // "open"
  std::string_view path;
};

// The status for `failure`:
//   ResourceExhausted: FULL; NOMEM; a write that failed with EDQUOT
//   Unavailable: BUSY, LOCKED: another process has the file
//   PermissionDenied: READONLY, PERM, AUTH
//   as StatusCodeFromErrno() says: CANTOPEN
//   FailedPrecondition: NOTADB
//   DataLoss: CORRUPT; any other IOERR
//   Internal: everything else, which is a fault of ours
// The message has the path, SQLite's text and code, the errno and what to do. A failed sync is
// never ResourceExhausted, whatever its errno: what it left on the disk is unknown. Thread-safe.
absl::Status SqliteStatus(const SqliteFailure& failure);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_SQLITE_STATUS_H_
