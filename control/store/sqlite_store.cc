#include "control/store/sqlite_store.h"

#include <sqlite3.h>
#include <sys/statvfs.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "control/store/sqlite_database.h"
#include "control/store/sqlite_file.h"
#include "mmapcore/crash_point.h"

namespace causeway {
namespace {

// Moves the log into the file once it has so many pages: 4 MiB, SQLite's own default.
constexpr int kCheckpointPages = 1000;

// The statements of a store, compiled once.
struct Statements {
  SqliteStatement load;
  SqliteStatement begin;
  SqliteStatement put;
  SqliteStatement remove;
  SqliteStatement commit;
  SqliteStatement rollback;
};

absl::StatusOr<Statements> PrepareStatements(SqliteDatabase& database) {
  Statements statements;
  const std::pair<SqliteStatement*, const char*> sources[] = {
      {&statements.load, "SELECT tbl, key, value FROM record ORDER BY tbl, key"},
      {&statements.begin, "BEGIN IMMEDIATE"},
      {&statements.put, "REPLACE INTO record (tbl, key, value) VALUES (?1, ?2, ?3)"},
      {&statements.remove, "DELETE FROM record WHERE tbl = ?1 AND key = ?2"},
      {&statements.commit, "COMMIT"},
      {&statements.rollback, "ROLLBACK"},
  };
  for (const auto& [statement, sql] : sources) {
    absl::StatusOr<SqliteStatement> prepared = database.Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return statements;
}

// Runs a statement that gives no rows, and makes it ready for the next time.
int Run(const SqliteStatement& statement) {
  const int code = sqlite3_step(statement.get());
  const int reset = sqlite3_reset(statement.get());
  if (code == SQLITE_DONE) return reset;
  return code;
}

// `text` must outlive the statement's next run.
int BindText(const SqliteStatement& statement, int index, const std::string& text) {
  return sqlite3_bind_text64(statement.get(), index, text.data(), text.size(), SQLITE_STATIC,
                             SQLITE_UTF8);
}

int BindBlob(const SqliteStatement& statement, int index, const std::string& bytes) {
  return sqlite3_bind_blob64(statement.get(), index, bytes.data(), bytes.size(), SQLITE_STATIC);
}

std::string ColumnBytes(const SqliteStatement& statement, int column) {
  const char* bytes = static_cast<const char*>(sqlite3_column_blob(statement.get(), column));
  if (bytes == nullptr) return std::string();
  return std::string(bytes, sqlite3_column_bytes(statement.get(), column));
}

size_t SizeOf(absl::Span<const Write> writes) {
  size_t bytes = 0;
  for (const Write& write : writes) {
    bytes += write.table.size() + write.key.size() + write.value.value_or("").size();
  }
  return bytes;
}

std::string FreeSpaceText(const std::string& path) {
  struct statvfs status;
  if (statvfs(path.c_str(), &status) != 0) return "an unknown number of";
  return absl::StrCat(uint64_t{status.f_bavail} * status.f_frsize);
}

class SqliteStore : public Store {
 public:
  SqliteStore(SqliteDatabase database, Statements statements)
      : path_(database.path()),
        open_(Open{.database = std::move(database), .statements = std::move(statements)}) {
    sqlite3_wal_hook(open_->database.get(), &SqliteStore::NoteLogPages, this);
  }

  ~SqliteStore() override { Close().IgnoreError(); }

  absl::StatusOr<std::vector<Record>> Load() override;
  absl::Status Commit(absl::Span<const Write> writes) override;
  absl::Status Close() override;

 private:
  struct Open {
    SqliteDatabase database;
    Statements statements;  // after the database: they go first
  };

  // SQLite calls this after a commit, in the same thread, so mutex_ is held.
  static int NoteLogPages(void* store, sqlite3*, const char*, int pages) {
    static_cast<SqliteStore*>(store)->log_pages_ = pages;
    return SQLITE_OK;
  }

  // OK if the store is open and has had no failure that leaves it in doubt.
  absl::Status CheckUsable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Opens a transaction and applies `writes` in it. Returns a code of SQLite.
  int Apply(absl::Span<const Write> writes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Undoes the transaction that `code` ended, and tells a full disk from one that cannot be
  // trusted. `log_bytes` is the length of the log before the transaction.
  absl::Status Abandon(int code, bool while_committing, absl::Span<const Write> writes,
                       std::optional<int64_t> log_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Cuts what a transaction for which there was no space added to the log. Returns whether it is
  // certain that a restart finds nothing of it.
  bool CutLog(std::optional<int64_t> log_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // SQLite's write-ahead log, and its length if that can be had.
  sqlite3_file* LogFile() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<int64_t> LogBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Moves the log into the file if it has grown long.
  void MaybeCheckpoint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  absl::Mutex mutex_;
  std::optional<Open> open_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // once not OK, it stays
  int log_pages_ = 0;                             // guarded by mutex_, see NoteLogPages()
  int checkpoint_at_pages_ ABSL_GUARDED_BY(mutex_) = kCheckpointPages;
};

absl::Status SqliteStore::CheckUsable() const {
  if (!open_.has_value()) return absl::FailedPreconditionError(path_ + ": the store is closed");
  return failure_;
}

absl::StatusOr<std::vector<Record>> SqliteStore::Load() {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckUsable(); !status.ok()) return status;
  const SqliteStatement& load = open_->statements.load;
  std::vector<Record> records;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(load.get())) == SQLITE_ROW) {
    records.push_back({.table = ColumnBytes(load, 0),
                       .key = ColumnBytes(load, 1),
                       .value = ColumnBytes(load, 2)});
    // A column that could not be had for lack of memory looks like an empty one.
    code = sqlite3_errcode(open_->database.get());
    if (code == SQLITE_NOMEM) break;
  }
  const absl::Status status =
      code == SQLITE_DONE ? absl::OkStatus() : open_->database.Error(code, "read");
  sqlite3_reset(load.get());
  if (!status.ok()) return status;
  return records;
}

absl::Status SqliteStore::Commit(absl::Span<const Write> writes) {
  if (absl::Status status = CheckLimits(writes); !status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckUsable(); !status.ok()) return status;
  if (writes.empty()) return absl::OkStatus();
  const std::optional<int64_t> log_bytes = LogBytes();
  CAUSEWAY_CRASH_POINT("coordinator.store.begun");
  int code = Apply(writes);
  if (code != SQLITE_OK) return Abandon(code, /*while_committing=*/false, writes, log_bytes);
  CAUSEWAY_CRASH_POINT("coordinator.store.applied");
  code = Run(open_->statements.commit);
  if (code != SQLITE_OK) return Abandon(code, /*while_committing=*/true, writes, log_bytes);
  CAUSEWAY_CRASH_POINT("coordinator.store.committed");
  MaybeCheckpoint();
  return absl::OkStatus();
}

int SqliteStore::Apply(absl::Span<const Write> writes) {
  const Statements& statements = open_->statements;
  int code = Run(statements.begin);
  for (const Write& write : writes) {
    if (code != SQLITE_OK) return code;
    const SqliteStatement& statement = write.value.has_value() ? statements.put : statements.remove;
    code = BindText(statement, 1, write.table);
    if (code == SQLITE_OK) code = BindBlob(statement, 2, write.key);
    if (code == SQLITE_OK && write.value.has_value()) code = BindBlob(statement, 3, *write.value);
    if (code == SQLITE_OK) code = Run(statement);
  }
  return code;
}

absl::Status SqliteStore::Abandon(int code, bool while_committing, absl::Span<const Write> writes,
                                  std::optional<int64_t> log_bytes) {
  SqliteDatabase& database = open_->database;
  const absl::Status status = database.Error(code, "commit to");
  bool undone = true;
  // Some failures have rolled back by themselves.
  if (sqlite3_get_autocommit(database.get()) == 0) {
    undone = Run(open_->statements.rollback) == SQLITE_OK;
  }
  if (undone && absl::IsResourceExhausted(status)) {
    const bool log_is_clean = CutLog(log_bytes);
    // When a commit runs out of memory, that may be after the sync.
    const bool no_memory = (code & 0xff) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM;
    if (!while_committing || (log_is_clean && !no_memory)) {
      return absl::ResourceExhaustedError(
          absl::StrCat(status.message(), "; the batch of ", writes.size(), " writes needs ",
                       SizeOf(writes), " bytes, and ", FreeSpaceText(path_), " are free"));
    }
  }
  // Closing must not make a part of the file of what may or may not be on the disk.
  sqlite3_db_config(database.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  failure_ =
      absl::DataLossError(absl::StrCat(status.message(),
                                       "; it is unknown whether the last batch is on the disk, and "
                                       "nothing more is accepted until the file is opened anew"));
  return failure_;
}

bool SqliteStore::CutLog(std::optional<int64_t> log_bytes) {
  const std::optional<int64_t> now = LogBytes();
  if (!log_bytes.has_value() || !now.has_value()) return false;
  // The log is written from front to back, and the page that makes a transaction valid comes last.
  // If the log grew, then the write that failed was at its end, and that page is cut short. Cut off
  // what grew: it takes space, and the next failure shall be as easy to tell.
  if (*now > *log_bytes) {
    return LogFile()->pMethods->xTruncate(LogFile(), *log_bytes) == SQLITE_OK;
  }
  // Else the write that failed was to overwrite old pages. File systems that copy on write refuse
  // that, too, when they are full; and old bytes after half of the new ones may make a valid page.
  return *log_bytes == 0;
}

sqlite3_file* SqliteStore::LogFile() const {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(open_->database.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  return file;
}

std::optional<int64_t> SqliteStore::LogBytes() const {
  sqlite3_int64 bytes = 0;
  if (LogFile()->pMethods->xFileSize(LogFile(), &bytes) != SQLITE_OK) return std::nullopt;
  return bytes;
}

void SqliteStore::MaybeCheckpoint() {
  if (log_pages_ < checkpoint_at_pages_) return;
  const int code = sqlite3_wal_checkpoint_v2(open_->database.get(), "main",
                                             SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code == SQLITE_OK) {
    CAUSEWAY_CRASH_POINT("coordinator.store.checkpointed");
    checkpoint_at_pages_ = kCheckpointPages;
    return;
  }
  // The batch is safe in the log, and the log stays until a checkpoint has written and synced every
  // page of it anew. So this costs nothing but space. It is tried again after as many pages.
  checkpoint_at_pages_ = log_pages_ + kCheckpointPages;
}

absl::Status SqliteStore::Close() {
  absl::MutexLock lock(&mutex_);
  if (!open_.has_value()) return absl::OkStatus();
  absl::Status status;
  if (failure_.ok()) {
    const int code = sqlite3_wal_checkpoint_v2(open_->database.get(), "main",
                                               SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    // If there is no room, the log stays: nothing is lost.
    if (code != SQLITE_OK) status = open_->database.Error(code, "close");
    if (absl::IsResourceExhausted(status)) status = absl::OkStatus();
  }
  open_.reset();
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(std::string_view path) {
  absl::StatusOr<SqliteDatabase> database = OpenStateFile(std::string(path));
  if (!database.ok()) return database.status();
  absl::StatusOr<Statements> statements = PrepareStatements(*database);
  if (!statements.ok()) return statements.status();
  return std::make_unique<SqliteStore>(*std::move(database), *std::move(statements));
}

}  // namespace causeway
