// Ownership of one SQLite connection and its statements, with errors as absl::Status.

#ifndef CAUSEWAY_CONTROL_STORE_SQLITE_DATABASE_H_
#define CAUSEWAY_CONTROL_STORE_SQLITE_DATABASE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace causeway {

struct SqliteCloser {
  void operator()(sqlite3* connection) const;
};

struct SqliteFinalizer {
  void operator()(sqlite3_stmt* statement) const;
};

// A prepared statement. It must go before its database.
using SqliteStatement = std::unique_ptr<sqlite3_stmt, SqliteFinalizer>;

// An open connection. Move-only; not thread-safe. Statuses are those of SqliteStatus(), with the
// path of the file.
class SqliteDatabase {
 public:
  // Opens the existing file at `path` for reading and writing. This neither reads nor locks nor
  // writes it yet; the first statement does. A file that may only be read is PermissionDenied.
  static absl::StatusOr<SqliteDatabase> Open(std::string path);

  sqlite3* get() const { return connection_.get(); }
  const std::string& path() const { return path_; }

  // Runs `sql`, one statement, to its end; rows are ignored. `operation` is for the message: what
  // could not be done to the file.
  absl::Status Execute(const char* sql, std::string_view operation);

  // Runs `sql`, one statement, and returns the first column of its first row as text; empty if that
  // is NULL or if there is no row.
  absl::StatusOr<std::string> Query(const char* sql, std::string_view operation);

  // Compiles `sql` for repeated use.
  absl::StatusOr<SqliteStatement> Prepare(const char* sql);

  // The status for a function of SQLite having returned `code` just now.
  absl::Status Error(int code, std::string_view operation) const;

 private:
  SqliteDatabase(std::string path, std::unique_ptr<sqlite3, SqliteCloser> connection)
      : path_(std::move(path)), connection_(std::move(connection)) {}

  std::string path_;
  std::unique_ptr<sqlite3, SqliteCloser> connection_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_SQLITE_DATABASE_H_
