#include "control/store/sqlite_status.h"

#include <sqlite3.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

struct Meaning {
  absl::StatusCode code;
  absl::string_view advice;
};

constexpr Meaning kFull = {absl::StatusCode::kResourceExhausted,
                           "free space on the file system or raise the quota"};
constexpr Meaning kNoMemory = {absl::StatusCode::kResourceExhausted, "memory is exhausted"};
constexpr Meaning kDamaged = {absl::StatusCode::kDataLoss,
                              "the file is damaged: restore it from a backup"};
constexpr Meaning kNoRights = {absl::StatusCode::kPermissionDenied,
                               "the file and its folder must be writable by this user"};

Meaning MeaningOfIoError(const SqliteFailure& failure) {
  switch (failure.extended_code) {
    case SQLITE_IOERR_NOMEM:
      return kNoMemory;
    case SQLITE_IOERR_CORRUPTFS:
    case SQLITE_IOERR_DATA:
      return kDamaged;
    case SQLITE_IOERR_WRITE:
      if (failure.system_errno == EDQUOT || failure.system_errno == ENOSPC) return kFull;
      break;
  }
  return {absl::StatusCode::kDataLoss, "check the disk and the kernel's log"};
}

Meaning MeaningOfCannotOpen(const SqliteFailure& failure) {
  if (failure.system_errno == 0) {
    return {absl::StatusCode::kFailedPrecondition, "the path must be that of a regular file"};
  }
  return {StatusCodeFromErrno(failure.system_errno),
          "check the path, the rights on the file and its folder, and the limit of open files"};
}

Meaning MeaningOf(const SqliteFailure& failure) {
  switch (failure.extended_code & 0xff) {
    case SQLITE_FULL:
      return kFull;
    case SQLITE_NOMEM:
      return kNoMemory;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {absl::StatusCode::kUnavailable,
              "another process has the file open: stop it, or choose another directory"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return kNoRights;
    case SQLITE_NOTADB:
      return {absl::StatusCode::kFailedPrecondition,
              "this is no state file: choose another directory, or move the file away"};
    case SQLITE_CORRUPT:
      return kDamaged;
    case SQLITE_CANTOPEN:
      return MeaningOfCannotOpen(failure);
    case SQLITE_IOERR:
      return MeaningOfIoError(failure);
  }
  return {absl::StatusCode::kInternal, "this is a bug of the coordinator"};
}

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

absl::Status SqliteStatus(const SqliteFailure& failure) {
  const Meaning meaning = MeaningOf(failure);
  std::string system;
  if (failure.system_errno != 0) {
    system = absl::StrCat(", ", View(std::generic_category().message(failure.system_errno)));
  }
  return absl::Status(
      meaning.code, absl::StrCat("cannot ", View(failure.operation), " ", View(failure.path), ": ",
                                 sqlite3_errstr(failure.extended_code), " (SQLite code ",
                                 failure.extended_code, system, "); ", meaning.advice));
}

}  // namespace causeway
