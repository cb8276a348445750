#include "control/service/split_calls.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/api/names/stream_name.h"
#include "control/service/error_details.h"
#include "mmapcore/page.h"

namespace causeway {
namespace {

ErrorSubject AboutSplit(uint64_t split_id) {
  return {.field = "split_id",
          .resource_type = kSplitResource,
          .resource_name = absl::StrCat(split_id)};
}

v1::TakeExtentResponse ToResponse(const TakeOutcome& taken) {
  v1::TakeExtentResponse response;
  response.set_split_id(taken.split_id);
  switch (taken.state) {
    case TakeOutcome::State::kWait:
      response.set_state(v1::TakeExtentResponse::STATE_WAIT);
      break;
    case TakeOutcome::State::kFinished:
      response.set_state(v1::TakeExtentResponse::STATE_FINISHED);
      break;
    case TakeOutcome::State::kGranted:
      response.set_state(v1::TakeExtentResponse::STATE_GRANTED);
      response.set_extent_index(taken.index);
      *response.mutable_source() = ToApi(taken.source);
      *response.mutable_target() = ToApi(taken.target);
      response.set_epoch(taken.epoch);
      break;
  }
  return response;
}

absl::Status CheckName(const std::string& job) {
  return WithDetail(ValidateJobName(job), {.field = "name"});
}

// The field that is to blame if the catalog finds an argument invalid, in the order of its checks.
std::string_view FieldAtFault(const v1::OpenSplitRequest& request) {
  if (request.source_file_id() == request.target_file_id()) return "target_file_id";
  return IsPageAligned(request.extent_bytes()) ? "length" : "extent_bytes";
}

}  // namespace

absl::StatusOr<v1::OpenSplitResponse> SplitCalls::Open(const std::string& token_sha256,
                                                       const v1::OpenSplitRequest& request) {
  const ErrorSubject subject = {.field = FieldAtFault(request),
                                .resource_type = kSplitResource,
                                .resource_name = QuotedName(request.name())};
  if (absl::Status bad = CheckName(request.name()); !bad.ok()) return bad;
  absl::StatusOr<records::Split> split =
      RunFor(parts_, token_sha256,
             [&](Catalog& catalog, uint64_t session) -> absl::StatusOr<records::Split> {
               return catalog.splits().Open({.session_id = session,
                                             .name = request.name(),
                                             .source_file_id = request.source_file_id(),
                                             .target_file_id = request.target_file_id(),
                                             .length = request.length(),
                                             .extent_bytes = request.extent_bytes()});
             });
  if (!split.ok()) return WithDetail(split.status(), subject);
  v1::OpenSplitResponse response;
  response.set_split_id(split->split_id());
  response.set_extent_count(split->extent_count());
  response.set_extent_bytes(split->extent_bytes());
  return response;
}

absl::StatusOr<v1::TakeExtentResponse> SplitCalls::Take(const std::string& token_sha256,
                                                        const v1::TakeExtentRequest& request,
                                                        absl::Time deadline) {
  if (absl::Status bad = CheckName(request.name()); !bad.ok()) return bad;
  const absl::Duration asked =
      request.wait_ms() > static_cast<uint64_t>(absl::ToInt64Milliseconds(max_wait_))
          ? max_wait_
          : absl::Milliseconds(request.wait_ms());
  const absl::Time until = std::min(deadline, absl::Now() + asked);
  SplitWaiters::Waiter waiter(&waiters_, request.name());
  while (true) {
    absl::StatusOr<TakeOutcome> taken =
        RunFor(parts_, token_sha256,
               [&](Catalog& catalog, uint64_t session) -> absl::StatusOr<TakeOutcome> {
                 return catalog.splits().Take(session, request.name(), parts_.now_unix_ms());
               });
    if (!taken.ok()) {
      return WithDetail(taken.status(), {.field = "name",
                                         .resource_type = kSplitResource,
                                         .resource_name = QuotedName(request.name())});
    }
    if (taken->state != TakeOutcome::State::kWait || !waiter.Wait(until)) return ToResponse(*taken);
  }
}

absl::Status SplitCalls::Complete(const std::string& token_sha256,
                                  const v1::CompleteExtentRequest& request) {
  return WithDetail(RunFor(parts_, token_sha256,
                           [&](Catalog& catalog, uint64_t session) -> absl::Status {
                             return catalog.splits().Complete(session, request.split_id(),
                                                              request.extent_index(),
                                                              request.epoch(), request.failure());
                           }),
                    AboutSplit(request.split_id()));
}

absl::StatusOr<v1::DescribeSplitResponse> SplitCalls::Describe(
    const std::string& token_sha256, const v1::DescribeSplitRequest& request) {
  absl::StatusOr<SplitView> view =
      RunFor(parts_, token_sha256, [&](Catalog& catalog, uint64_t) -> absl::StatusOr<SplitView> {
        return catalog.splits().Describe(request.split_id());
      });
  if (!view.ok()) return WithDetail(view.status(), AboutSplit(request.split_id()));
  v1::DescribeSplitResponse response;
  response.set_extent_count(view->split.extent_count());
  response.set_completed(view->split.completed());
  response.set_completed_bytes(view->split.completed_bytes());
  response.set_regranted(view->split.regranted());
  response.set_failure(view->split.failure());
  for (const records::SplitWorker& worker : view->workers) {
    v1::DescribeSplitResponse::Worker* api = response.add_workers();
    api->set_session_id(worker.session_id());
    api->set_completed_bytes(worker.completed_bytes());
  }
  return response;
}

absl::Status SplitCalls::Close(const std::string& token_sha256,
                               const v1::CloseSplitRequest& request) {
  return WithDetail(RunFor(parts_, token_sha256,
                           [&](Catalog& catalog, uint64_t session) -> absl::Status {
                             return catalog.splits().Close(session, request.split_id());
                           }),
                    AboutSplit(request.split_id()));
}

}  // namespace causeway
