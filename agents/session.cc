#include "agents/session.h"

#include <sys/random.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/farewell.h"
#include "agents/reader_lanes.h"
#include "agents/split_grant.h"
#include "agents/wire.h"
#include "agents/writer_lane.h"
#include "control/api/names/stream_name.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/memory_node.h"
#include "mmapcore/process_barrier.h"
#include "mmapcore/sigbus_guard.h"

namespace causeway {
namespace {

// Between two attempts of a call that somebody waits for.
constexpr absl::Duration kCallPause = absl::Milliseconds(20);

// The longest that one TakeExtent call waits at the coordinator.
constexpr absl::Duration kLongestTake = absl::Seconds(5);

std::string NewIdempotencyKey() {
  std::string bytes(16, '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
  }
  return absl::BytesToHexString(bytes);
}

// The memory that is asked for had best be near the calling thread.
template <typename Request>
void SetMemoryNode(Request& request) {
  if (const std::optional<uint32_t> node = CurrentMemoryNode(); node.has_value()) {
    request.set_memory_node(*node);
  }
}

absl::Status CheckOptions(const AgentOptions& options) {
  if (options.dir.empty()) {
    return absl::InvalidArgumentError(
        "AgentOptions.dir is empty: name the coordinator's directory");
  }
  if (absl::Status status = ValidateAgentName(options.name); !status.ok()) return status;
  if (options.rpc_timeout <= absl::ZeroDuration() ||
      options.max_reattach_pause <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("AgentOptions.rpc_timeout %s and max_reattach_pause %s must be positive",
                        absl::FormatDuration(options.rpc_timeout),
                        absl::FormatDuration(options.max_reattach_pause)));
  }
  return absl::OkStatus();
}

// The status of a call that gives something back. Where it met a limit, since the coordinator's
// disk is full or too many calls are under way, nothing has changed, and it has to be made again.
absl::Status OrLater(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? absl::UnavailableError(status.message()) : status;
}

}  // namespace

absl::StatusOr<std::shared_ptr<Session>> Session::Attach(AgentOptions options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  if (options.guard_sigbus) {
    if (absl::Status status = SigbusGuard::Install(); !status.ok()) return status;
  }
  // Where the kernel refuses, readers and writers execute barriers of their own.
  RegisterForProcessBarriers();
  std::shared_ptr<Session> session(new Session(std::move(options)));
  if (absl::Status status = session->Start(); !status.ok()) return status;
  return session;
}

Session::Session(AgentOptions options)
    : options_(std::move(options)),
      client_(options_.dir, options_.rpc_timeout),
      registry_([this](AgentEvent event) { Tell(std::move(event)); }) {}

absl::Status Session::Start() {
  absl::StatusOr<std::unique_ptr<CallQueue>> calls = CallQueue::Start();
  if (!calls.ok()) return calls.status();
  calls_ = *std::move(calls);
  absl::StatusOr<std::unique_ptr<Attachment>> attachment = Attachment::Create(
      {.dir = options_.dir,
       .name = options_.name,
       .attach_timeout = options_.attach_timeout,
       .greeting_timeout = options_.rpc_timeout,
       .max_pause = options_.max_reattach_pause,
       .polled_fd = registry_.deaths_fd()},
      {.on_welcome = [this](const v1::Welcome& welcome) { return OnWelcome(welcome); },
       .on_event = [this](HandoffMessage message) { return OnEvent(std::move(message)); },
       .on_lost = [this](const absl::Status& why) { OnLost(why); },
       .on_refused = [this](const absl::Status& why) { OnRefused(why); },
       .on_polled = [this] { registry_.ObeyDeaths(); }});
  if (!attachment.ok()) return attachment.status();
  attachment_ = *std::move(attachment);
  return attachment_->Start();
}

Session::~Session() {
  if (attachment_ != nullptr) Detach().IgnoreError();
  attachment_.reset();
  calls_.reset();
}

absl::Status Session::status() const {
  absl::MutexLock lock(&mutex_);
  return ended_;
}

absl::Status Session::SettledStatus() {
  attachment_->RunAfterEvents([] {});
  return status();
}

// ---- Events -------------------------------------------------------------------------------------

absl::Status Session::OnWelcome(const v1::Welcome& welcome) {
  if (absl::Status status = client_.Connect(welcome.token()); !status.ok()) return status;
  session_id_.store(welcome.session_id(), std::memory_order_relaxed);
  registry_.Connected(welcome.resumed());
  calls_->RetryNow();
  Tell({.kind = welcome.resumed() ? AgentEvent::Kind::kReattached : AgentEvent::Kind::kAttached,
        .text = absl::StrFormat("session %d with coordinator epoch %d", welcome.session_id(),
                                welcome.coordinator_epoch())});
  return absl::OkStatus();
}

absl::Status Session::OnEvent(HandoffMessage message) {
  if (message.event.has_evicted()) {
    EndWith(absl::FailedPreconditionError(absl::StrFormat("session %d (%s) was evicted: %s",
                                                          session_id(), options_.name,
                                                          message.event.evicted().reason())));
    Tell({.kind = AgentEvent::Kind::kEvicted, .text = message.event.evicted().reason()});
  } else if (message.event.has_draining()) {
    Tell({.kind = AgentEvent::Kind::kDraining, .text = "the coordinator is about to stop"});
  } else {
    registry_.Obey(std::move(message));
  }
  return absl::OkStatus();
}

void Session::OnLost(const absl::Status& why) {
  registry_.Disconnected();
  if (status().ok()) {
    Tell({.kind = AgentEvent::Kind::kConnectionLost, .text = std::string(why.message())});
  }
}

void Session::OnRefused(const absl::Status& why) {
  const bool evicted = absl::IsFailedPrecondition(why);
  EndWith(absl::FailedPreconditionError(
      absl::StrCat("session ", session_id(), " (", options_.name, ") is over: ", why.message(),
                   evicted ? "" : "; if the coordinator has lost its state, attach a new agent")));
  Tell({.kind = AgentEvent::Kind::kEvicted, .text = std::string(why.message())});
}

void Session::Tell(AgentEvent event) const {
  event.session_id = session_id();
  if (options_.on_event) options_.on_event(event);
}

void Session::EndWith(absl::Status why) {
  {
    absl::MutexLock lock(&mutex_);
    if (!ended_.ok()) return;
    ended_ = why;
  }
  registry_.Fence(why);
  attachment_->End();
}

// ---- Calls --------------------------------------------------------------------------------------

template <typename Request>
auto Session::CallPatiently(const Request& request) {
  const absl::Time deadline = absl::Now() + options_.rpc_timeout;
  auto response = client_.Call(request);
  while (absl::IsUnavailable(response.status()) && status().ok() && absl::Now() < deadline) {
    // Attached may be what it still believes to be: not so often as to keep a core busy.
    if (attachment_->attached()) absl::SleepFor(kCallPause);
    if (!attachment_->AwaitAttached(deadline)) break;
    response = client_.Call(request);
  }
  if (!response.ok() && !status().ok()) response = status();
  return response;
}

template <typename Request>
absl::Status Session::CallNowOrLater(const Request& request) {
  const auto call = [this, request] {
    const absl::Status status = client_.Call(request).status();
    // It is gone already: an earlier attempt has been obeyed, and only its answer was lost.
    if (absl::IsNotFound(status)) return absl::OkStatus();
    return OrLater(status);
  };
  absl::Status result = call();
  if (absl::IsUnavailable(result) && status().ok()) calls_->Add(call);
  return result;
}

void Session::RequestSegment(uint64_t lane_id, uint64_t bytes,
                             std::shared_ptr<SegmentGrants> grants) {
  v1::GrantSegmentRequest asked;
  asked.set_lane_id(lane_id);
  asked.set_length(bytes);
  SetMemoryNode(asked);
  calls_->Add([this, request = std::move(asked), grants = std::move(grants)]() mutable {
    const std::shared_ptr<WriterLane> lane = registry_.FindWriter(request.lane_id());
    if (lane == nullptr) return absl::OkStatus();
    // Not where it is asked for: it takes a system call, and that thread has frames to write.
    if (request.idempotency_key().empty()) request.set_idempotency_key(NewIdempotencyKey());
    CAUSEWAY_CRASH_POINT("agent.grant_segment.begun");
    const absl::StatusOr<v1::GrantSegmentResponse> response = client_.Call(request);
    CAUSEWAY_CRASH_POINT("agent.grant_segment.answered");
    if (absl::IsUnavailable(response.status())) {
      lane->SegmentDelayed(response.status());
    } else if (!response.ok()) {
      lane->SegmentRefused(response.status());
    } else {
      const FileExtent extent = {response->segment().offset(), response->segment().length()};
      // First: the lane may return it at once.
      grants->Add(extent.offset, response->grant_id());
      // What cannot be mapped is of no use.
      if (!lane->SegmentGranted(extent).ok()) {
        ReturnSegment(request.lane_id(),
                      std::make_shared<MappedSegment>(MappedSegment{.extent = extent}),
                      grants->Take(extent.offset));
      }
    }
    return response.status();
  });
}

void Session::ReturnSegment(uint64_t lane_id, std::shared_ptr<MappedSegment> segment,
                            uint64_t grant_id) {
  v1::ReturnSegmentRequest request;
  request.set_lane_id(lane_id);
  request.set_offset(segment->extent.offset);
  request.set_grant_id(grant_id);
  calls_->Add([this, request, segment = std::move(segment)] {
    // If it fails, the addresses stay taken, of a place where no frame will be any more.
    segment->mapping.Unmap().IgnoreError();
    CAUSEWAY_CRASH_POINT("agent.return_segment.begun");
    const absl::Status status = OrLater(client_.Call(request).status());
    CAUSEWAY_CRASH_POINT("agent.return_segment.answered");
    return status;
  });
}

void Session::ReleaseLane(uint64_t reader_id, uint64_t lane_id) {
  v1::ReleaseLaneRequest request;
  request.set_reader_id(reader_id);
  request.set_lane_id(lane_id);
  calls_->Add([this, request] {
    CAUSEWAY_CRASH_POINT("agent.release_lane.begun");
    const absl::Status status = OrLater(client_.Call(request).status());
    CAUSEWAY_CRASH_POINT("agent.release_lane.answered");
    const std::shared_ptr<ReaderLanes> lanes = registry_.FindReader(request.reader_id());
    // Not found: an earlier attempt has been obeyed, or the coordinator has forgotten the lane.
    const bool released = status.ok() || absl::IsNotFound(status);
    if (released && lanes != nullptr) lanes->Released(request.lane_id());
    return status;
  });
}

// ---- Writers and readers ------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Writer>> Session::OpenWriter(std::string_view stream,
                                                            const WriterOptions& options) {
  if (absl::Status status = this->status(); !status.ok()) return status;
  if (absl::Status status = ValidateStreamName(stream); !status.ok()) return status;
  const LaneRegistry::Opening opening(registry_);
  v1::OpenWriterRequest request;
  request.set_stream(std::string(stream));
  request.set_create_if_missing(options.create_if_missing);
  ToWire(options.stream, *request.mutable_create_options());
  SetMemoryNode(request);
  request.set_idempotency_key(NewIdempotencyKey());
  CAUSEWAY_CRASH_POINT("agent.open_writer.begun");
  const absl::StatusOr<v1::OpenWriterResponse> response = CallPatiently(request);
  if (!response.ok()) return response.status();
  const uint64_t lane_id = response->lane_id();
  const uint64_t file_id = response->file_id();

  const auto open = [&]() -> absl::StatusOr<std::shared_ptr<WriterLane>> {
    absl::StatusOr<MappedFile> file =
        registry_.TakeFile(file_id, absl::Now() + options_.rpc_timeout);
    if (!file.ok()) return file.status();
    CAUSEWAY_CRASH_POINT("agent.open_writer.file_taken");
    std::vector<FileExtent> segments;
    const auto grants = std::make_shared<SegmentGrants>();
    for (int i = 0; i < response->segments_size(); ++i) {
      const v1::Extent& extent = response->segments(i);
      segments.push_back({extent.offset(), extent.length()});
      if (i < response->segment_grant_ids_size()) {
        grants->Add(extent.offset(), response->segment_grant_ids(i));
      }
    }
    LaneWriterOptions lane_options;
    lane_options.identity = {response->stream_id(), lane_id, response->epoch()};
    lane_options.segment_bytes = response->options().segment_bytes();
    lane_options.capacity_bytes = response->options().capacity_bytes();
    lane_options.max_frame_bytes = response->options().max_frame_bytes();
    lane_options.timestamps = response->options().timestamps();
    lane_options.lap_patience = options.lap_patience;
    lane_options.wait_mode = options.wait_mode;
    lane_options.sleep_watch = &sleep_watch_;
    return WriterLane::Create(
        *std::move(file), response->lane_page().offset(), segments, lane_options,
        {.request_segment = [this, lane_id,
                             grants](uint64_t bytes) { RequestSegment(lane_id, bytes, grants); },
         .return_segment =
             [this, lane_id, grants](std::shared_ptr<MappedSegment> segment) {
               const uint64_t grant_id = grants->Take(segment->extent.offset);
               ReturnSegment(lane_id, std::move(segment), grant_id);
             }});
  };
  absl::StatusOr<std::shared_ptr<WriterLane>> lane = open();
  if (!lane.ok()) {
    CloseWriter(lane_id, file_id).IgnoreError();
    return lane.status();
  }
  CAUSEWAY_CRASH_POINT("agent.open_writer.lane_created");
  // Every reader that is there already has joined when this returns.
  attachment_->RunAfterEvents([&] { registry_.AddWriter(lane_id, file_id, *lane); });
  CAUSEWAY_CRASH_POINT("agent.open_writer.done");
  return std::unique_ptr<Writer>(new Writer(shared_from_this(), *std::move(lane),
                                            std::string(stream), FromWire(response->options()),
                                            lane_id, file_id));
}

absl::Status Session::CloseWriter(uint64_t lane_id, uint64_t file_id) {
  v1::CloseWriterRequest request;
  request.set_lane_id(lane_id);
  CAUSEWAY_CRASH_POINT("agent.close_writer.begun");
  registry_.WriterCloses(lane_id);
  absl::Status result = status();
  if (result.ok()) result = CallNowOrLater(request);
  CAUSEWAY_CRASH_POINT("agent.close_writer.answered");
  registry_.RemoveWriter(lane_id, file_id);
  return result;
}

absl::StatusOr<std::unique_ptr<Reader>> Session::OpenReader(std::string_view stream,
                                                            const ReaderOptions& options) {
  if (absl::Status status = this->status(); !status.ok()) return status;
  if (absl::Status status = ValidateStreamName(stream); !status.ok()) return status;
  if (options.start == LaneStart::At::kPosition) {
    return absl::InvalidArgumentError(
        "start: a position is one of a lane; give it in start_positions, with the lane's id");
  }
  if (options.merge == Merge::kTimestamp && !ProcessBarrier()) {
    return absl::FailedPreconditionError(
        "merging lanes by timestamp needs the system call membarrier with GLOBAL_EXPEDITED, which "
        "the kernel refuses (Linux 4.16, and no seccomp filter in the way)");
  }
  const LaneRegistry::Opening opening(registry_);
  v1::OpenReaderRequest request;
  request.set_stream(std::string(stream));
  request.set_create_if_missing(options.create_if_missing);
  ToWire(options.stream, *request.mutable_create_options());
  request.set_idempotency_key(NewIdempotencyKey());
  request.set_policy(ToWire(options.policy));
  CAUSEWAY_CRASH_POINT("agent.open_reader.begun");
  const absl::StatusOr<v1::OpenReaderResponse> response = CallPatiently(request);
  if (!response.ok()) return response.status();
  const uint64_t reader_id = response->reader_id();
  const uint64_t file_id = response->file_id();

  absl::StatusOr<MappedFile> file = registry_.TakeFile(file_id, absl::Now() + options_.rpc_timeout);
  if (options.merge == Merge::kTimestamp && !response->options().timestamps()) {
    CloseReader(reader_id, file_id).IgnoreError();
    return absl::FailedPreconditionError(absl::StrFormat(
        "stream %s has no timestamps to merge lanes by; that is fixed when a stream is created "
        "(StreamOptions::timestamps, causeway create --timestamps)",
        stream));
  }
  if (!file.ok()) {
    CloseReader(reader_id, file_id).IgnoreError();
    return file.status();
  }
  CAUSEWAY_CRASH_POINT("agent.open_reader.file_taken");
  if (FromWire(response->policy()) != options.policy) {
    CloseReader(reader_id, file_id).IgnoreError();
    return absl::UnimplementedError(absl::StrCat("the coordinator does not know the policy ",
                                                 ReaderPolicyName(options.policy),
                                                 "; run one of the same release"));
  }
  auto lanes = std::make_shared<ReaderLanes>(
      ReaderLanes::Options{.reader_id = reader_id,
                           .stream = std::string(stream),
                           .max_frame_bytes = response->options().max_frame_bytes(),
                           .wait_mode = options.wait_mode,
                           .policy = options.policy,
                           .start = options.start,
                           .start_positions = options.start_positions,
                           .timestamps = response->options().timestamps(),
                           .merge = options.merge,
                           .merge_patience = options.merge_patience},
      *std::move(file), [this, reader_id](uint64_t lane_id) { ReleaseLane(reader_id, lane_id); });
  // Every lane that is there already is followed when this returns.
  attachment_->RunAfterEvents([&] { registry_.AddReader(reader_id, file_id, lanes); });
  CAUSEWAY_CRASH_POINT("agent.open_reader.done");
  const ReaderLanes& followed = *lanes;
  std::unique_ptr<Reader> reader(new Reader(shared_from_this(), std::move(lanes),
                                            std::string(stream), FromWire(response->options()),
                                            reader_id, file_id));
  for (const auto& [lane_id, position] : options.start_positions) {
    if (followed.Knows(lane_id)) continue;
    return absl::NotFoundError(
        absl::StrFormat("stream %s has no lane %d to begin in at position %d; its writer may have "
                        "ended, and what it wrote went with its last reader",
                        stream, lane_id, position));
  }
  return reader;
}

absl::Status Session::CloseReader(uint64_t reader_id, uint64_t file_id) {
  v1::CloseReaderRequest request;
  request.set_reader_id(reader_id);
  CAUSEWAY_CRASH_POINT("agent.close_reader.begun");
  registry_.ReaderCloses(reader_id);
  absl::Status result = status();
  if (result.ok()) result = CallNowOrLater(request);
  CAUSEWAY_CRASH_POINT("agent.close_reader.answered");
  registry_.RemoveReader(reader_id, file_id);
  return result;
}

// ---- Files that users bring ---------------------------------------------------------------------

absl::StatusOr<BroughtFile> Session::BringFile(int fd, std::string_view label, FileAccess access) {
  if (absl::Status status = this->status(); !status.ok()) return status;
  v1::HandoffRequest request;
  v1::BringFile& bring = *request.mutable_bring_file();
  bring.set_request_id(next_request_id_.fetch_add(1));
  bring.set_label(std::string(label));
  bring.set_protection(access == FileAccess::kRead ? v1::PROTECTION_READ
                                                   : v1::PROTECTION_READ_WRITE);
  registry_.ExpectBrought(bring.request_id());
  absl::Time deadline = absl::Now() + options_.rpc_timeout;
  const absl::Status sent = attachment_->Send(request, fd);
  if (!sent.ok()) deadline = absl::InfinitePast();
  absl::StatusOr<BroughtFile> result = registry_.AwaitBrought(bring.request_id(), deadline);
  return sent.ok() ? result : sent;
}

absl::StatusOr<std::unique_ptr<Split>> Session::OpenSplit(const SplitOptions& options) {
  if (absl::Status status = this->status(); !status.ok()) return status;
  if (absl::Status status = ValidateJobName(options.name); !status.ok()) return status;
  v1::OpenSplitRequest request;
  request.set_name(options.name);
  request.set_source_file_id(options.source.file_id);
  request.set_target_file_id(options.target.file_id);
  request.set_length(options.length);
  request.set_extent_bytes(options.extent_bytes);
  const absl::StatusOr<v1::OpenSplitResponse> response = client_.Call(request);
  if (!response.ok()) return response.status();
  return std::unique_ptr<Split>(new Split(shared_from_this(), options.name, response->split_id(),
                                          response->extent_count(), response->extent_bytes()));
}

absl::StatusOr<TakenExtent> Session::TakeExtent(std::string_view split, absl::Duration timeout) {
  if (absl::Status status = ValidateJobName(split); !status.ok()) return status;
  const absl::Time deadline = absl::Now() + timeout;
  v1::TakeExtentRequest request;
  request.set_name(std::string(split));
  while (true) {
    if (absl::Status status = this->status(); !status.ok()) return status;
    const absl::Duration left =
        std::clamp(deadline - absl::Now(), absl::ZeroDuration(), kLongestTake);
    request.set_wait_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(left)));
    const absl::StatusOr<v1::TakeExtentResponse> response = client_.Call(request);
    if (!response.ok()) return response.status();
    if (response->state() == v1::TakeExtentResponse::STATE_FINISHED) return TakenExtent(nullptr);
    if (response->state() == v1::TakeExtentResponse::STATE_GRANTED) {
      const absl::Time files_by = absl::Now() + options_.rpc_timeout;
      absl::StatusOr<std::shared_ptr<MappedFile>> source =
          registry_.ShareFile(response->source().file_id(), files_by);
      absl::StatusOr<std::shared_ptr<MappedFile>> target =
          registry_.ShareFile(response->target().file_id(), files_by);
      if (!source.ok()) return source.status();
      if (!target.ok()) return target.status();
      return TakenExtent(std::make_unique<SplitGrant>(shared_from_this(), *response,
                                                      *std::move(source), *std::move(target)));
    }
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrFormat("waited %s for an extent of split %s: others hold all that is left",
                          absl::FormatDuration(timeout), request.name()));
    }
  }
}

// ---- The end ------------------------------------------------------------------------------------

absl::Status Session::Detach() {
  if (!status().ok()) return absl::OkStatus();
  std::string holdings = registry_.Holdings();
  if (const int taken = taken_extents_.load(std::memory_order_relaxed); taken > 0) {
    absl::StrAppend(&holdings, holdings.empty() ? "" : ", ", taken, " taken extents");
  }
  if (!holdings.empty()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "session %d still has %s: destroy them before detaching", session_id(), holdings));
  }
  client_.CancelCalls();
  calls_->Stop();
  CAUSEWAY_CRASH_POINT("agent.detach.begun");
  attachment_->ExpectEnd();  // The coordinator hangs up before it answers.
  absl::Status result = absl::UnavailableError("the coordinator is away");
  if (attachment_->attached()) result = client_.Call(v1::DetachRequest()).status();
  CAUSEWAY_CRASH_POINT("agent.detach.answered");
  // Whatever else went wrong, the session may live on in the coordinator's state. Without a session
  // there may be no thread either.
  if (!result.ok() && !absl::IsNotFound(result) && session_id() != 0) {
    const std::optional<v1::Hello> farewell = attachment_->Farewell();
    if (farewell.has_value()) SayFarewell(options_.dir, *farewell);
  }
  EndWith(absl::FailedPreconditionError(
      absl::StrFormat("session %d (%s) was detached", session_id(), options_.name)));
  return absl::IsNotFound(result) ? absl::OkStatus() : result;
}

}  // namespace causeway
