#include "control/store/sqlite_database.h"

#include <sqlite3.h>

#include "control/store/sqlite_status.h"

namespace causeway {

void SqliteCloser::operator()(sqlite3* connection) const { sqlite3_close(connection); }

void SqliteFinalizer::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

absl::StatusOr<SqliteDatabase> SqliteDatabase::Open(std::string path) {
  // SQLite may be built to take a leading "file:" for the beginning of a URI.
  const std::string name = path.starts_with("file:") ? "./" + path : path;
  sqlite3* connection = nullptr;
  const int code =
      sqlite3_open_v2(name.c_str(), &connection,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  // There is a connection even if opening failed; only not if memory is exhausted.
  SqliteDatabase database(std::move(path), std::unique_ptr<sqlite3, SqliteCloser>(connection));
  if (code != SQLITE_OK) return database.Error(code, "open");
  if (sqlite3_db_readonly(connection, "main") == 1) return database.Error(SQLITE_READONLY, "write");
  return database;
}

absl::Status SqliteDatabase::Execute(const char* sql, std::string_view operation) {
  return Query(sql, operation).status();
}

absl::StatusOr<std::string> SqliteDatabase::Query(const char* sql, std::string_view operation) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  std::string value;
  int code = sqlite3_step(statement->get());
  if (code == SQLITE_ROW) {
    const unsigned char* text = sqlite3_column_text(statement->get(), 0);
    if (text != nullptr) value = reinterpret_cast<const char*>(text);
  }
  while (code == SQLITE_ROW) code = sqlite3_step(statement->get());
  if (code != SQLITE_DONE) return Error(code, operation);
  return value;
}

absl::StatusOr<SqliteStatement> SqliteDatabase::Prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return Error(code, "read");
  return SqliteStatement(statement);
}

absl::Status SqliteDatabase::Error(int code, std::string_view operation) const {
  // For other failures SQLite keeps the errno of an earlier one.
  const int primary = code & 0xff;
  const bool has_errno = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
  return SqliteStatus({
      .extended_code = code,
      .system_errno = has_errno && connection_ ? sqlite3_system_errno(connection_.get()) : 0,
      .operation = operation,
      .path = path_,
  });
}

}  // namespace causeway
