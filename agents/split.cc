#include "agents/split.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/session.h"
#include "agents/split_grant.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {

// ---- The owner ----------------------------------------------------------------------------------

Split::Split(std::shared_ptr<Session> session, std::string name, uint64_t split_id,
             uint64_t extent_count, uint64_t extent_bytes)
    : session_(std::move(session)),
      name_(std::move(name)),
      split_id_(split_id),
      extent_count_(extent_count),
      extent_bytes_(extent_bytes) {}

Split::~Split() { Close().IgnoreError(); }

absl::StatusOr<SplitProgress> Split::Describe() const {
  if (absl::Status status = session_->status(); !status.ok()) return status;
  v1::DescribeSplitRequest request;
  request.set_split_id(split_id_);
  const absl::StatusOr<v1::DescribeSplitResponse> response = session_->client().Call(request);
  if (!response.ok()) return response.status();
  SplitProgress progress;
  progress.extent_count = response->extent_count();
  progress.completed = response->completed();
  progress.completed_bytes = response->completed_bytes();
  progress.regranted = response->regranted();
  progress.failure = response->failure();
  for (const v1::DescribeSplitResponse::Worker& worker : response->workers()) {
    progress.workers.push_back({worker.session_id(), worker.completed_bytes()});
  }
  return progress;
}

absl::Status Split::Close() {
  if (closed_.exchange(true)) return absl::OkStatus();
  if (absl::Status status = session_->status(); !status.ok()) return status;
  v1::CloseSplitRequest request;
  request.set_split_id(split_id_);
  return session_->client().Call(request).status();
}

// ---- The worker ---------------------------------------------------------------------------------

SplitGrant::SplitGrant(std::shared_ptr<Session> session, const v1::TakeExtentResponse& response,
                       std::shared_ptr<MappedFile> source, std::shared_ptr<MappedFile> target)
    : session_(std::move(session)),
      response_(response),
      source_file_(std::move(source)),
      target_file_(std::move(target)) {
  session_->ExtentTaken();
}

SplitGrant::~SplitGrant() { session_->ExtentLeft(); }

absl::Status SplitGrant::CheckOpen() const {
  if (completed_) {
    return absl::FailedPreconditionError(
        absl::StrFormat("extent %d was completed already", response_.extent_index()));
  }
  return session_->status();
}

absl::StatusOr<std::span<const std::byte>> SplitGrant::MapSource() {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (source_.data() == nullptr) {
    MappingOptions options;
    options.populate = Populate::kForReading;  // One call instead of a fault for each page.
    options.guarded = SigbusGuard::installed();
    absl::StatusOr<Mapping> mapping = Mapping::Map(*source_file_, response_.source().offset(),
                                                   response_.source().length(), options);
    if (!mapping.ok()) return mapping.status();
    source_ = *std::move(mapping);
  }
  return std::span<const std::byte>(source_.data(), source_.length());
}

absl::StatusOr<std::span<std::byte>> SplitGrant::MapTarget() {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (target_.data() == nullptr) {
    MappingOptions options;
    options.protection = Protection::kReadWrite;
    options.populate = Populate::kForWriting;  // As law 4 says: backed before it is touched.
    options.guarded = SigbusGuard::installed();
    absl::StatusOr<Mapping> mapping = Mapping::Map(*target_file_, response_.target().offset(),
                                                   response_.target().length(), options);
    if (!mapping.ok()) return mapping.status();
    target_ = *std::move(mapping);
  }
  return std::span<std::byte>(target_.mutable_data(), target_.length());
}

absl::Status SplitGrant::Complete(std::string failure) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  absl::Status damage = source_.damage();
  if (damage.ok()) damage = target_.damage();
  if (!damage.ok() && failure.empty()) failure = std::string(damage.message());
  // Unmapped before the coordinator may give it to another worker.
  source_ = Mapping();
  target_ = Mapping();
  v1::CompleteExtentRequest request;
  request.set_split_id(response_.split_id());
  request.set_extent_index(response_.extent_index());
  request.set_epoch(response_.epoch());
  request.set_failure(std::move(failure));
  const absl::Status status = session_->client().Call(request).status();
  completed_ = !absl::IsUnavailable(status);
  return status.ok() ? damage : status;
}

TakenExtent::TakenExtent(std::unique_ptr<SplitGrant> grant) : grant_(std::move(grant)) {}
TakenExtent::TakenExtent(TakenExtent&&) noexcept = default;
TakenExtent& TakenExtent::operator=(TakenExtent&&) noexcept = default;
TakenExtent::~TakenExtent() = default;

bool TakenExtent::granted() const { return grant_ != nullptr; }
uint64_t TakenExtent::index() const { return grant_->index(); }
uint64_t TakenExtent::offset() const { return grant_->offset(); }
uint64_t TakenExtent::length() const { return grant_->length(); }
absl::StatusOr<std::span<const std::byte>> TakenExtent::MapSource() { return grant_->MapSource(); }
absl::StatusOr<std::span<std::byte>> TakenExtent::MapTarget() { return grant_->MapTarget(); }
int TakenExtent::source_fd() const { return grant_->source_fd(); }
int TakenExtent::target_fd() const { return grant_->target_fd(); }
absl::Status TakenExtent::Complete() { return grant_->Complete(""); }

absl::Status TakenExtent::Fail(std::string_view reason) {
  return grant_->Complete(reason.empty() ? "the worker gave no reason" : std::string(reason));
}

}  // namespace causeway
