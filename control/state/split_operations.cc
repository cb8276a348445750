#include "control/state/split_operations.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/api/names/stream_name.h"
#include "control/state/events.h"
#include "control/state/limits.h"
#include "control/state/split_lifecycle.h"
#include "control/state/text.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

// The file, if the session brought it and no split uses it.
absl::StatusOr<const records::File*> FindUnused(const Books& books, uint64_t session_id,
                                                uint64_t file_id, const char* role) {
  const records::File* file = books.files.Find(file_id);
  if (file == nullptr || file->kind() != records::File::KIND_BROUGHT ||
      file->session_id() != session_id) {
    return absl::NotFoundError(absl::StrCat("the ", role, ", file ", file_id,
                                            ", was not brought by session ", session_id));
  }
  const std::set<uint64_t>& splits = books.splits.OfFile(file_id);
  if (splits.empty()) return file;
  std::set<std::string> holders;
  for (const uint64_t split_id : splits) {
    for (const uint64_t extent_id : books.extents.OfOwner(split_id)) {
      holders.insert(DescribeSession(books, books.extents.Find(extent_id)->session_id()));
    }
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the ", role, ", file ", file_id, ", belongs to split ", *splits.begin(),
                   holders.empty() ? "" : " and has extents held by ", absl::StrJoin(holders, ", "),
                   "; bring the file again for another split"));
}

absl::Status CheckLength(const records::File& file, uint64_t length, const char* role) {
  if (file.size_bytes() >= length) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("the ", role, " ", QuotedName(file.name()), " has ",
                                            file.size_bytes(), " bytes, less than the ", length,
                                            " to split"));
}

// The default, made larger where it would cut the length into more extents than allowed.
uint64_t ChooseExtentBytes(uint64_t length, const Limits& limits) {
  const uint64_t least = length / limits.max_extents_per_split + 1;
  return std::max(limits.default_split_extent_bytes, *RoundUpToPage(least));
}

records::Extent MakeExtent(Books* books, const records::Split& split, uint64_t index,
                           uint64_t session_id, records::Extent::Purpose purpose, uint64_t epoch,
                           int64_t now_unix_ms) {
  const bool is_target = purpose == records::Extent::PURPOSE_SPLIT_TARGET;
  records::Extent extent;
  extent.set_extent_id(books->NextId());
  extent.set_file_id(is_target ? split.target_file_id() : split.source_file_id());
  extent.set_offset(index * split.extent_bytes());
  extent.set_length(std::min(split.extent_bytes(), split.length() - extent.offset()));
  extent.set_session_id(session_id);
  extent.set_protection(is_target ? v1::PROTECTION_READ_WRITE : v1::PROTECTION_READ);
  extent.set_purpose(purpose);
  extent.set_owner_id(split.split_id());
  extent.set_state(records::Extent::STATE_GRANTED);
  extent.set_epoch(epoch);
  extent.set_granted_unix_ms(now_unix_ms);
  books->extents.Put(extent);
  return extent;
}

// Makes the session a worker, with the descriptors of both files.
void EnsureWorker(Books* books, const records::Split& split, uint64_t session_id) {
  if (books->split_workers.Find({split.split_id(), session_id}) != nullptr) return;
  records::SplitWorker worker;
  worker.set_split_id(split.split_id());
  worker.set_session_id(session_id);
  books->split_workers.Put(std::move(worker));
  SendDescriptor(books, session_id, split.source_file_id(), v1::PROTECTION_READ);
  SendDescriptor(books, session_id, split.target_file_id(), v1::PROTECTION_READ_WRITE);
}

}  // namespace

absl::StatusOr<uint64_t> SplitOperations::Bring(const BringFile& request) {
  if (absl::Status status = RequireConnected(books_, request.session_id); !status.ok()) {
    return status;
  }
  if (request.protection != v1::PROTECTION_READ &&
      request.protection != v1::PROTECTION_READ_WRITE) {
    return absl::InvalidArgumentError(
        "protection is missing: say read (1) or read and write (2), as the descriptor was opened");
  }
  const size_t brought = books_.files.BroughtBy(request.session_id).size();
  if (brought >= books_.limits.max_brought_files_per_agent) {
    return LimitMet("max_brought_files_per_agent", books_.limits.max_brought_files_per_agent,
                    absl::StrCat(DescribeSession(books_, request.session_id), " has brought ",
                                 brought, " files"),
                    "close the splits that are done");
  }
  records::File file;
  file.set_file_id(books_.NextId());
  file.set_kind(records::File::KIND_BROUGHT);
  file.set_name(CutText(request.label));
  file.set_session_id(request.session_id);
  file.set_state(records::File::STATE_LIVE);
  file.set_size_bytes(request.size_bytes);
  file.set_created_unix_ms(request.now_unix_ms);
  file.set_protection(request.protection);
  const uint64_t file_id = file.file_id();
  books_.files.Put(std::move(file));
  return file_id;
}

absl::StatusOr<records::Split> SplitOperations::Open(const OpenSplit& request) {
  if (absl::Status status = ValidateJobName(request.name); !status.ok()) return status;
  if (absl::Status status = RequireConnected(books_, request.session_id); !status.ok()) {
    return status;
  }
  if (request.source_file_id == request.target_file_id) {
    return absl::InvalidArgumentError(
        absl::StrCat("source and target are the same file ", request.source_file_id));
  }
  if (!IsPageAligned(request.extent_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("extent_bytes is ", request.extent_bytes,
                                                   ", not a multiple of the page size ",
                                                   PageSize()));
  }
  const auto source = FindUnused(books_, request.session_id, request.source_file_id, "source");
  if (!source.ok()) return source.status();
  const auto target = FindUnused(books_, request.session_id, request.target_file_id, "target");
  if (!target.ok()) return target.status();
  if ((*target)->protection() != v1::PROTECTION_READ_WRITE) {
    return absl::PermissionDeniedError(absl::StrCat("the target ", QuotedName((*target)->name()),
                                                    " was brought for reading only"));
  }
  for (const absl::Status& status : {CheckLength(**source, request.length, "source"),
                                     CheckLength(**target, request.length, "target")}) {
    if (!status.ok()) return status;
  }
  if (const records::Split* other = books_.splits.FindByName(request.name); other != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("split ", QuotedName(request.name), " is open, owned by ",
                     DescribeSession(books_, other->session_id()), "; use another name"));
  }
  const size_t owned = books_.splits.OfSession(request.session_id).size();
  if (owned >= books_.limits.max_splits_per_agent) {
    return LimitMet(
        "max_splits_per_agent", books_.limits.max_splits_per_agent,
        absl::StrCat(DescribeSession(books_, request.session_id), " has ", owned, " splits"),
        "close the splits that are done");
  }
  const uint64_t extent_bytes = request.extent_bytes != 0
                                    ? request.extent_bytes
                                    : ChooseExtentBytes(request.length, books_.limits);
  const uint64_t extent_count =
      request.length / extent_bytes + (request.length % extent_bytes != 0 ? 1 : 0);
  if (extent_count > books_.limits.max_extents_per_split) {
    return LimitMet(
        "max_extents_per_split", books_.limits.max_extents_per_split,
        absl::StrCat(request.length, " bytes in extents of ", extent_bytes, " make ", extent_count),
        "use larger extents");
  }
  records::Split split;
  split.set_split_id(books_.NextId());
  split.set_name(request.name);
  split.set_session_id(request.session_id);
  split.set_source_file_id(request.source_file_id);
  split.set_target_file_id(request.target_file_id);
  split.set_length(request.length);
  split.set_extent_bytes(extent_bytes);
  split.set_extent_count(extent_count);
  books_.splits.Put(split);
  AddSplitChanged(&books_, split);
  return split;
}

absl::StatusOr<TakeOutcome> SplitOperations::Take(uint64_t session_id, std::string_view name,
                                                  int64_t now_unix_ms) {
  if (absl::Status status = RequireConnected(books_, session_id); !status.ok()) return status;
  const records::Split* found = books_.splits.FindByName(name);
  if (found == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no split is named ", QuotedName(name), "; its owner closed it or is gone"));
  }
  records::Split split = *found;
  if (!split.failure().empty()) {
    return absl::AbortedError(
        absl::StrCat("split ", QuotedName(name), " failed: ", split.failure()));
  }
  TakeOutcome taken{.split_id = split.split_id()};
  const std::set<uint64_t>& pending = books_.split_extents.PendingOf(split.split_id());
  if (!pending.empty()) {
    taken.index = *pending.begin();
    split.set_regranted(split.regranted() + 1);
  } else if (split.next_index() < split.extent_count()) {
    taken.index = split.next_index();
    split.set_next_index(taken.index + 1);
  } else {
    taken.state = split.completed() == split.extent_count() ? TakeOutcome::State::kFinished
                                                            : TakeOutcome::State::kWait;
    return taken;
  }
  taken.state = TakeOutcome::State::kGranted;
  taken.epoch = books_.NextEpoch();
  books_.splits.Put(split);
  EnsureWorker(&books_, split, session_id);
  taken.source = MakeExtent(&books_, split, taken.index, session_id,
                            records::Extent::PURPOSE_SPLIT_SOURCE, taken.epoch, now_unix_ms);
  taken.target = MakeExtent(&books_, split, taken.index, session_id,
                            records::Extent::PURPOSE_SPLIT_TARGET, taken.epoch, now_unix_ms);
  records::SplitExtent row;
  row.set_split_id(split.split_id());
  row.set_index(taken.index);
  row.set_state(records::SplitExtent::STATE_TAKEN);
  row.set_session_id(session_id);
  row.set_epoch(taken.epoch);
  row.set_source_extent_id(taken.source.extent_id());
  row.set_target_extent_id(taken.target.extent_id());
  books_.split_extents.Put(std::move(row));
  return taken;
}

absl::Status SplitOperations::Complete(uint64_t session_id, uint64_t split_id, uint64_t index,
                                       uint64_t epoch, std::string_view failure) {
  const records::Split* found = books_.splits.Find(split_id);
  const records::SplitExtent* extent = books_.split_extents.Find({split_id, index});
  if (found == nullptr || extent == nullptr) {
    return absl::NotFoundError(absl::StrCat("extent ", index, " of split ", split_id,
                                            " is not known; the split was closed, or the extent "
                                            "never taken"));
  }
  if (extent->state() == records::SplitExtent::STATE_PENDING ||
      extent->session_id() != session_id || extent->epoch() != epoch) {
    return absl::FailedPreconditionError(absl::StrCat(
        "session ", session_id, " does not hold extent ", index, " of split ", split_id,
        " under epoch ", epoch, "; it was fenced: discard what was written"));
  }
  if (extent->state() == records::SplitExtent::STATE_COMPLETED) return absl::OkStatus();
  records::Split split = *found;
  records::SplitExtent row = *extent;
  const uint64_t bytes = books_.extents.Find(row.target_extent_id())->length();
  EraseExtentPair(&books_, row);
  row.clear_source_extent_id();
  row.clear_target_extent_id();
  if (failure.empty()) {
    row.set_state(records::SplitExtent::STATE_COMPLETED);
    split.set_completed(split.completed() + 1);
    split.set_completed_bytes(split.completed_bytes() + bytes);
    records::SplitWorker worker = *books_.split_workers.Find({split_id, session_id});
    worker.set_completed_bytes(worker.completed_bytes() + bytes);
    books_.split_workers.Put(std::move(worker));
  } else {
    row.set_state(records::SplitExtent::STATE_PENDING);
    row.clear_session_id();
    row.clear_epoch();
    // The first failure is the cause; those that follow are mostly its consequences.
    if (split.failure().empty()) {
      split.set_failure(absl::StrCat("extent ", index, ": ", CutText(failure)));
    }
  }
  books_.split_extents.Put(std::move(row));
  // Nobody waits for a completion but the last one.
  if (split.completed() == split.extent_count() || !split.failure().empty()) {
    AddSplitChanged(&books_, split);
  }
  books_.splits.Put(std::move(split));
  EraseSplitIfIdle(&books_, split_id);
  return absl::OkStatus();
}

absl::StatusOr<SplitView> SplitOperations::Describe(uint64_t split_id) const {
  const records::Split* split = books_.splits.Find(split_id);
  if (split == nullptr) {
    return absl::NotFoundError(absl::StrCat("no split ", split_id, "; it may have been closed"));
  }
  SplitView view{.split = *split};
  for (const uint64_t session_id : books_.split_workers.WorkersOf(split_id)) {
    view.workers.push_back(*books_.split_workers.Find({split_id, session_id}));
  }
  return view;
}

absl::Status SplitOperations::Close(uint64_t session_id, uint64_t split_id) {
  const records::Split* split = books_.splits.Find(split_id);
  if (split == nullptr || split->closed() || split->session_id() != session_id) {
    return absl::NotFoundError(
        absl::StrCat("session ", session_id, " owns no open split ", split_id));
  }
  CloseSplit(&books_, split_id);
  return absl::OkStatus();
}

}  // namespace causeway
