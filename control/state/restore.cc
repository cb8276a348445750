#include "control/state/restore.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control/state/invariants.h"
#include "control/state/records.pb.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

std::string NameOf(const Record& record) {
  return absl::StrCat("record ", record.table, "/", absl::BytesToHexString(record.key));
}

absl::Status Damaged(const Record& record, std::string_view what) {
  return absl::DataLossError(absl::StrCat(NameOf(record), " ", std::string(what),
                                          "; the state cannot be trusted: restore a backup"));
}

// Allocation needs what lies outside of a file, or over another extent, kept out of the table.
absl::Status CheckPlace(const Record& record, const Books& books, const records::Extent& extent) {
  const uint64_t space = ExtentTable::kFileSpaceBytes;
  if (extent.length() == 0 || extent.length() > space ||
      extent.offset() > space - extent.length() || !IsPageAligned(extent.offset()) ||
      !IsPageAligned(extent.length())) {
    return Damaged(record, absl::StrCat("has a range that no file has: [", extent.offset(), ", +",
                                        extent.length(), ")"));
  }
  const records::Extent* other =
      books.extents.Overlapping(extent.file_id(), extent.offset(), extent.length());
  if (other != nullptr) {
    return Damaged(record, absl::StrCat("overlaps extent ", other->extent_id(), " of file ",
                                        extent.file_id()));
  }
  return absl::OkStatus();
}

template <typename Row>
absl::StatusOr<Row> Parse(const Record& record) {
  Row row;
  if (!row.ParseFromString(record.value)) return Damaged(record, "cannot be parsed");
  if (EncodeKey(RowTraits<Row>::KeyOf(row)) != record.key) {
    return Damaged(record, "has the key of another row");
  }
  if (!RowTraits<Row>::InStore(row)) return Damaged(record, "should never have been stored");
  return row;
}

template <typename Row>
absl::Status RestoreRow(const Record& record, Table<Row>* table) {
  absl::StatusOr<Row> row = Parse<Row>(record);
  if (!row.ok()) return row.status();
  table->Restore(*std::move(row));
  return absl::OkStatus();
}

absl::Status RestoreRecord(const Record& record, Books* books) {
  const auto is = [&](std::string_view table) { return record.table == table; };
  if (is(RowTraits<records::Meta>::kTable)) return absl::OkStatus();  // Read first.
  if (is(RowTraits<records::Session>::kTable)) return RestoreRow(record, &books->sessions);
  if (is(RowTraits<records::Stream>::kTable)) return RestoreRow(record, &books->streams);
  if (is(RowTraits<records::File>::kTable)) return RestoreRow(record, &books->files);
  if (is(RowTraits<records::Lane>::kTable)) return RestoreRow(record, &books->lanes);
  if (is(RowTraits<records::Reader>::kTable)) return RestoreRow(record, &books->readers);
  if (is(RowTraits<records::Cursor>::kTable)) return RestoreRow(record, &books->cursors);
  if (is(RowTraits<records::Extent>::kTable)) {
    const absl::StatusOr<records::Extent> extent = Parse<records::Extent>(record);
    if (!extent.ok()) return extent.status();
    if (absl::Status status = CheckPlace(record, *books, *extent); !status.ok()) return status;
    books->extents.Restore(*extent);
    return absl::OkStatus();
  }
  return Damaged(record, "is of an unknown table");
}

// The format decides whether anything else may be read.
absl::Status RestoreMeta(absl::Span<const Record> records, Books* books) {
  for (const Record& record : records) {
    if (record.table != RowTraits<records::Meta>::kTable) continue;
    records::Meta meta;
    if (!meta.ParseFromString(record.value)) return Damaged(record, "cannot be parsed");
    if (meta.format() > kRecordsFormat) {
      return absl::FailedPreconditionError(
          absl::StrCat("the state has format ", meta.format(), ", this coordinator reads up to ",
                       kRecordsFormat, "; start a newer one. Nothing was changed"));
    }
    if (meta.format() == 0) return Damaged(record, "has no format");
    if (absl::Status status = RestoreRow(record, &books->meta); !status.ok()) return status;
  }
  if (books->meta.size() == 0 && !records.empty()) return Damaged(records[0], "has no meta record");
  return absl::OkStatus();
}

}  // namespace

absl::Status RestoreBooks(absl::Span<const Record> records, Books* books) {
  if (absl::Status status = RestoreMeta(records, books); !status.ok()) return status;
  for (const Record& record : records) {
    if (absl::Status status = RestoreRecord(record, books); !status.ok()) return status;
  }
  if (absl::Status status = CheckInvariants(*books); !status.ok()) {
    return absl::DataLossError(absl::StrCat("the stored records contradict each other: ",
                                            std::string(status.message()), "; restore a backup"));
  }
  return absl::OkStatus();
}

}  // namespace causeway
