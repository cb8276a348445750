#include "control/store/sqlite_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "control/store/sqlite_store.h"
#include "mmapcore/errno_status.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr char kSchema[] =
    "CREATE TABLE record (tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (tbl, key)) STRICT, WITHOUT ROWID";

// A file has at least one page, and that is at least as long.
constexpr int64_t kMinFileBytes = 512;

// How long to wait for a lock: a reader of a backup is done soon, and the locks of a coordinator
// that was killed go when the kernel has taken it apart.
constexpr int kBusyTimeoutMs = 1000;

// SQLite writes less than 128 KiB at a time.
constexpr int kCopyBytes = 64 * 1024;

// OK if there is something at `path` that may be a state file, NotFound if there is nothing.
absl::Status CheckIsFile(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0)
    return StatusFromErrno(errno, {.operation = "stat", .path = path});
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is ", S_ISDIR(status.st_mode) ? "a folder" : "no regular file",
                     ", but the path of a state file was expected"));
  }
  if (status.st_size < kMinFileBytes) {
    return absl::DataLossError(absl::StrCat(
        path, " has ", status.st_size, " bytes and a state file at least ", kMinFileBytes,
        ": it was truncated, or is something else; restore it from a backup, or choose another "
        "directory"));
  }
  return absl::OkStatus();
}

// The size of the file at `path`; 0 if there is none.
int64_t FileBytes(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 ? status.st_size : 0;
}

// Makes the state file under another name. Nobody else knows the name: the folder is locked.
absl::Status FillNewFile(const std::string& path) {
  // Private, as the records name every agent. SQLite gives its other files the same mode.
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return StatusFromErrno(errno, {.operation = "open", .path = path});
  {
    absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(path);
    if (!database.ok()) return database.status();
    const std::string set_application =
        absl::StrFormat("PRAGMA application_id = %d", kSqliteApplicationId);
    const std::string set_version =
        absl::StrFormat("PRAGMA user_version = %d", kSqliteFormatVersion);
    for (const char* sql : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA synchronous = FULL",
                            "BEGIN IMMEDIATE", set_application.c_str(), set_version.c_str(),
                            kSchema, "COMMIT", "PRAGMA journal_mode = WAL"}) {
      if (absl::Status status = database->Execute(sql, "fill"); !status.ok()) return status;
    }
  }
  // SQLite has synced what it wrote. The rename relies on it, so this makes sure.
  if (fsync(file.get()) != 0) return StatusFromErrno(errno, {.operation = "fsync", .path = path});
  return absl::OkStatus();
}

void RemoveNewFile(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal"}) unlink((path + suffix).c_str());
}

absl::Status CreateStateFile(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder_path = parent.empty() ? "." : parent.string();
  const UniqueFd folder(open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return StatusFromErrno(errno, {.operation = "open", .path = folder_path});
  if (flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::UnavailableError(
        absl::StrCat(folder_path, " is locked: another process creates a state file there"));
  }
  // Another process may have been faster.
  if (absl::Status status = CheckIsFile(path); !absl::IsNotFound(status)) return status;
  // SQLite would take what these hold for a part of the new file.
  for (const char* suffix : {"-wal", "-journal"}) {
    const std::string orphan = path + suffix;
    if (FileBytes(orphan) == 0) continue;
    return absl::DataLossError(absl::StrCat(
        orphan, " is there without ", path,
        ", whose last changes it holds; restore that file, or remove this one to begin anew"));
  }
  const std::string new_path = path + ".new";
  RemoveNewFile(new_path);
  absl::Status status = FillNewFile(new_path);
  if (status.ok() && rename(new_path.c_str(), path.c_str()) != 0) {
    status = StatusFromErrno(errno, {.operation = "rename", .path = path});
  }
  if (status.ok() && fsync(folder.get()) != 0) {
    status = StatusFromErrno(errno, {.operation = "fsync", .path = folder_path});
  }
  if (!status.ok()) RemoveNewFile(new_path);
  return status;
}

uint32_t BigEndian32(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

absl::Status CheckVersions(const std::string& path, int64_t application_id, int64_t version) {
  if (application_id != kSqliteApplicationId) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s is the database of another application (id 0x%08x, not 0x%08x); choose another "
        "directory, or move the file away",
        path, static_cast<uint32_t>(application_id), kSqliteApplicationId));
  }
  if (version == kSqliteFormatVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "%s has format %d, but this program knows format %d; %s", path, version, kSqliteFormatVersion,
      version > kSqliteFormatVersion ? "use the newer program that wrote it"
                                     : "no version of the program wrote it"));
}

// Reads the header of the file through the connection's descriptor, before any statement: SQLite
// has then not locked it, nor replayed a journal that lies beside it, so that a foreign file stays
// as it is. (A descriptor of our own is no way: closing it would drop the locks that this process
// may have on the file.) The layout is that of https://sqlite.org/fileformat2.html, section 1.3.
absl::Status CheckHeader(const SqliteDatabase& database) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  constexpr size_t kVersionOffset = 60;
  constexpr size_t kApplicationIdOffset = 68;
  sqlite3_file* file = nullptr;
  int code = sqlite3_file_control(database.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return database.Error(code, "read");
  std::array<uint8_t, 100> header = {};
  code = file->pMethods->xRead(file, header.data(), header.size(), 0);
  if (code != SQLITE_OK) return database.Error(code, "read");
  if (std::string_view(reinterpret_cast<const char*>(header.data()), kMagic.size()) != kMagic) {
    return database.Error(SQLITE_NOTADB, "use");
  }
  return CheckVersions(database.path(),
                       static_cast<int32_t>(BigEndian32(&header[kApplicationIdOffset])),
                       static_cast<int32_t>(BigEndian32(&header[kVersionOffset])));
}

absl::StatusOr<int64_t> QueryNumber(SqliteDatabase& database, const char* sql) {
  absl::StatusOr<std::string> text = database.Query(sql, "read");
  if (!text.ok()) return text.status();
  int64_t number = 0;
  if (!absl::SimpleAtoi(*text, &number)) {
    return absl::DataLossError(absl::StrCat(database.path(), ": ", sql, " gave \"", *text, "\""));
  }
  return number;
}

// Checks what is only true once the write-ahead log is read in: a newer program may have changed
// the file and died.
absl::Status CheckContents(SqliteDatabase& database) {
  absl::StatusOr<int64_t> application_id = QueryNumber(database, "PRAGMA application_id");
  if (!application_id.ok()) return application_id.status();
  absl::StatusOr<int64_t> version = QueryNumber(database, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  absl::Status status = CheckVersions(database.path(), *application_id, *version);
  if (!status.ok()) return status;

  absl::StatusOr<std::string> damage = database.Query("PRAGMA quick_check(1)", "check");
  if (!damage.ok()) return damage.status();
  if (*damage != "ok") {
    return absl::DataLossError(
        absl::StrCat(database.path(), " is damaged: ", *damage, "; restore it from a backup"));
  }
  // Names that begin with sqlite_ are SQLite's own, for instance what ANALYZE leaves.
  absl::StatusOr<std::string> schema = database.Query(
      "SELECT group_concat(sql, '; ') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' "
      "ESCAPE '\\'",
      "read");
  if (!schema.ok()) return schema.status();
  if (*schema == kSchema) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(database.path(),
                   " has other tables than a state file: somebody changed it; restore it from "
                   "a backup"));
}

// SQLite reads a last page that is not all there as if zeros followed.
absl::Status CheckLength(SqliteDatabase& database) {
  absl::StatusOr<int64_t> pages = QueryNumber(database, "PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  absl::StatusOr<int64_t> page_bytes = QueryNumber(database, "PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  const int64_t bytes = FileBytes(database.path());
  if (bytes >= *pages * *page_bytes) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(database.path(), " has ", bytes, " bytes instead of ",
                                          *pages * *page_bytes,
                                          ": it was truncated; restore it from a backup"));
}

// Writes the log over itself, byte for byte, and syncs it. If the process before this one died
// after a failed sync, the log has pages that the kernel believes clean and the disk never got: no
// sync of it proves anything before they are written anew. Without this, a loss of power could
// bring back a log that ends sooner than what this process found, and has moved into the file in
// part.
absl::Status WriteLogAnew(SqliteDatabase& database) {
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(database.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  sqlite3_int64 bytes = 0;
  if (code == SQLITE_OK) code = log->pMethods->xFileSize(log, &bytes);
  std::vector<char> buffer(kCopyBytes);
  for (sqlite3_int64 done = 0; code == SQLITE_OK && done < bytes;) {
    const int some = static_cast<int>(std::min<sqlite3_int64>(bytes - done, kCopyBytes));
    code = log->pMethods->xRead(log, buffer.data(), some, done);
    if (code == SQLITE_OK) code = log->pMethods->xWrite(log, buffer.data(), some, done);
    done += some;
  }
  if (code == SQLITE_OK) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  return code == SQLITE_OK ? absl::OkStatus() : database.Error(code, "write the log of");
}

absl::Status SetUp(SqliteDatabase& database) {
  for (const char* sql : {
           "PRAGMA synchronous = FULL",
           // 4 MiB are usual (sqlite_store.cc); what one large batch made of it goes back.
           "PRAGMA journal_size_limit = 16777216",
           "PRAGMA secure_delete = OFF",
           "PRAGMA temp_store = MEMORY",
           "PRAGMA wal_autocheckpoint = 0",
       }) {
    if (absl::Status status = database.Execute(sql, "set up"); !status.ok()) return status;
  }
  absl::StatusOr<std::string> mode = database.Query("PRAGMA journal_mode = WAL", "set up");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return absl::InternalError(absl::StrCat(database.path(), " is in journal mode ", *mode));
  }
  // From the log into the file, so that the log begins anew.
  const int code = sqlite3_wal_checkpoint_v2(database.get(), "main", SQLITE_CHECKPOINT_TRUNCATE,
                                             nullptr, nullptr);
  if (code != SQLITE_OK) return database.Error(code, "write");
  return absl::OkStatus();
}

// Opens the file, locks it, reads its log and checks it all. Closing leaves file and log as they
// are; an empty log may be removed.
absl::StatusOr<SqliteDatabase> OpenChecked(const std::string& path, bool has_log) {
  absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(path);
  if (!database.ok()) return database.status();
  absl::Status status = CheckHeader(*database);
  if (!status.ok()) return status;
  sqlite3* const connection = database->get();
  sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log, nullptr);
  // The file is input: nothing that its schema says is run.
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_busy_timeout(connection, kBusyTimeoutMs);
  for (const char* sql :
       {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA mmap_size = 0", "PRAGMA cell_size_check = ON"}) {
    if (status = database->Execute(sql, "set up"); !status.ok()) return status;
  }
  if (status = CheckContents(*database); !status.ok()) return status;
  // With a log, the end of the file may be in there, and the file have a part of it.
  if (!has_log) status = CheckLength(*database);
  if (!status.ok()) return status;
  return database;
}

}  // namespace

absl::StatusOr<SqliteDatabase> OpenStateFile(const std::string& path) {
  absl::Status status = CheckIsFile(path);
  if (absl::IsNotFound(status)) status = CreateStateFile(path);
  if (!status.ok()) return status;

  const bool has_log = FileBytes(path + "-wal") > 0;
  absl::StatusOr<SqliteDatabase> database = OpenChecked(path, has_log);
  if (!database.ok()) return database.status();
  if (has_log) {
    if (status = WriteLogAnew(*database); !status.ok()) return status;
    // The kernel may have dropped pages between the two, and have read them from the disk for the
    // second. What counts is what the log says now.
    database = absl::UnknownError("closed");
    database = OpenChecked(path, has_log);
    if (!database.ok()) return database.status();
  }
  if (status = SetUp(*database); !status.ok()) return status;
  if (status = CheckLength(*database); !status.ok()) return status;
  sqlite3_db_config(database->get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  return database;
}

}  // namespace causeway
