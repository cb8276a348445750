// What agents ask for, and what they may take for granted about the answers.

#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "control/simulation/simulated_agent.h"
#include "mmapcore/page.h"

namespace causeway::simulation {
namespace {

template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}
absl::Status StatusOf(const absl::Status& status) { return status; }

// It is not known what became of the call, or nothing did and it has to be made again: what gives
// something back, too, when the disk is full.
bool IsPassing(const absl::Status& status, bool gives_back) {
  return absl::IsUnavailable(status) || absl::IsDataLoss(status) ||
         (gives_back && absl::IsResourceExhausted(status));
}

std::string StreamName(Choices& choices) { return absl::StrCat("s", choices.Below(2)); }
std::string JobName(Choices& choices) { return absl::StrCat("job", choices.Below(2)); }

template <typename Container>
auto& Any(Choices& choices, Container& container) {
  return *std::next(container.begin(),
                    static_cast<std::ptrdiff_t>(choices.Below(container.size())));
}

}  // namespace

template <typename Result>
void SimulatedAgent::Call(const std::string& what,
                          std::function<Result(SimulatedCoordinator&, const std::string&)> body,
                          std::function<void(const Result&)> heard, std::function<void()> again) {
  const Shared belief = belief_;
  const bool detaches = belief->detaching;
  const auto repeat = [this, belief, detaches, again] {
    if (belief_ != belief || again == nullptr || belief->detaching != detaches) return;
    belief->again.push_back(again);
  };
  calls_.Send(
      {.what = absl::StrCat("agent ", number_, " (session ", belief->session_id, ") ", what),
       .body = [=, this](SimulatedCoordinator& coordinator) -> Answer {
         const Result result = body(coordinator, belief->token_sha256);
         return [=, this] {
           if (belief_ != belief) return;
           environment_.Trace("  which is ", StatusOf(result).ToString());
           if (IsPassing(StatusOf(result), std::is_same_v<Result, absl::Status>)) return repeat();
           // A session that is being left does not use what it hears.
           if (!belief->detaching || detaches) heard(result);
         };
       },
       .lost = repeat});
}

void SimulatedAgent::Excuse(const std::string& what, const absl::Status& status,
                            bool not_found_is_fine) {
  const bool evicted = witness_.MayBeEvicted(belief_->session_id);
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kResourceExhausted:
      return;
    case absl::StatusCode::kFailedPrecondition:
      if (evicted) return;
      break;
    case absl::StatusCode::kUnauthenticated:
      if (belief_->detaching) return;
      break;
    case absl::StatusCode::kNotFound:
      // The lanes and readers of an evicted session end.
      if (not_found_is_fine || evicted) return;
      break;
    default:
      break;
  }
  environment_.Broken("agent ", number_, " (session ", belief_->session_id, ") ", what, ": ",
                      status.ToString());
}

void SimulatedAgent::ExpectBacked(uint64_t file_id, uint64_t offset, uint64_t length) {
  const Inode* const inode = machine_.files.FindFile(file_id);
  for (uint64_t page = offset / PageSize(); page < (offset + length) / PageSize(); ++page) {
    if (inode != nullptr && page < inode->pages.size() && inode->pages[page] == PageState::kZero) {
      continue;
    }
    // An evicted agent may hear of what was given to it before.
    if (witness_.MayBeEvicted(belief_->session_id)) return;
    environment_.Broken("page ", page, " of file ", file_id,
                        " is granted, and is not empty memory");
  }
}

bool SimulatedAgent::ReadAll() {
  const Shared belief = belief_;
  const std::shared_ptr<Connection> connection = connection_;
  while (connection_ == connection && connection != nullptr && !connection->to_agent.empty()) {
    Read();
  }
  return belief_ == belief;
}

void SimulatedAgent::ExpectDescriptor(uint64_t file_id) {
  if (!attached() || connection_->coordinator_closed || belief_->in_snapshot) return;
  if (!belief_->descriptors.contains(file_id)) {
    environment_.Broken("file ", file_id, " is granted, and its descriptor did not come before");
  }
}

// ---- Writers -----------------------------------------------------------------------------------

void SimulatedAgent::UseLanes() {
  if (!attached()) return;
  Choices& choices = environment_.choices;
  if (belief_->lanes.empty() || choices.OneIn(5)) return OpenWriter(StreamName(choices), NewKey());
  auto& [lane_id, lane] = Any(choices, belief_->lanes);
  if (lane.closing) return;
  switch (choices.Below(8)) {
    case 0:
    case 1:
    case 2:
      return GrantSegment(lane_id, NewKey());
    case 3:
    case 4: {
      const auto& [offset, length] = Any(choices, lane.segments);
      return offset != 0 ? ReturnSegment(lane_id, offset) : void();
    }
    case 5:
      return CloseWriter(lane_id);
    default:
      return Write();
  }
}

void SimulatedAgent::OpenWriter(const std::string& stream, const std::string& key) {
  Call<absl::StatusOr<v1::OpenWriterResponse>>(
      absl::StrCat("opens a writer of ", stream, " with ", key),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::OpenWriterRequest request;
        request.set_stream(stream);
        request.set_create_if_missing(true);
        request.set_idempotency_key(key);
        return coordinator.writers().Open(token, request);
      },
      [=, this](const absl::StatusOr<v1::OpenWriterResponse>& response) {
        if (response.ok()) return Opened(key, *response);
        Excuse("opens a writer", response.status(), false);
      },
      [=, this] { OpenWriter(stream, key); });
}

void SimulatedAgent::Opened(const std::string& key, const v1::OpenWriterResponse& response) {
  if (!ReadAll()) return;
  witness_.Named(response.stream_id(), "a stream");
  witness_.Named(response.lane_id(), absl::StrCat("lane in file ", response.file_id()));
  witness_.Named(response.file_id(), absl::StrCat("file of lane ", response.lane_id(), ", ", key));
  witness_.EpochOf(response.epoch(), absl::StrCat("lane ", response.lane_id()));
  if (response.segments_size() < 2) environment_.Broken("a lane with less than two segments");
  Belief::Lane lane = {.file_id = response.file_id()};
  lane.segments[response.lane_page().offset()] = response.lane_page().length();
  for (int i = 0; i < response.segments_size(); ++i) {
    const v1::Extent& segment = response.segments(i);
    lane.segments[segment.offset()] = segment.length();
    lane.grants[segment.offset()] = response.segment_grant_ids(i);
  }
  if (!belief_->lanes.emplace(response.lane_id(), lane).second) return;
  for (const auto& [offset, length] : lane.segments) ExpectBacked(lane.file_id, offset, length);
  ExpectDescriptor(lane.file_id);
}

void SimulatedAgent::GrantSegment(uint64_t lane_id, const std::string& key) {
  Call<absl::StatusOr<v1::GrantSegmentResponse>>(
      absl::StrCat("asks for a segment of lane ", lane_id, " with ", key),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::GrantSegmentRequest request;
        request.set_lane_id(lane_id);
        request.set_idempotency_key(key);
        return coordinator.writers().Grant(token, request);
      },
      [=, this](const absl::StatusOr<v1::GrantSegmentResponse>& response) {
        const auto lane = belief_->lanes.find(lane_id);
        const bool closing = lane == belief_->lanes.end() || lane->second.closing;
        if (response.ok()) {
          if (!closing) Granted(lane_id, *response);
        } else if (!(closing && absl::IsFailedPrecondition(response.status()))) {
          Excuse("asks for a segment", response.status(), closing);
        }
      },
      [=, this] { GrantSegment(lane_id, key); });
}

void SimulatedAgent::Granted(uint64_t lane_id, const v1::GrantSegmentResponse& response) {
  const v1::Extent& segment = response.segment();
  witness_.Named(response.grant_id(),
                 absl::StrCat("grant at ", segment.offset(), " of lane ", lane_id));
  Belief::Lane& lane = belief_->lanes.at(lane_id);
  for (const auto& [offset, length] : lane.segments) {
    if (offset < segment.offset() + segment.length() && segment.offset() < offset + length) {
      environment_.Broken("lane ", lane_id, " is granted ", segment.offset(),
                          " twice: it has what begins at ", offset);
    }
  }
  lane.segments[segment.offset()] = segment.length();
  lane.grants[segment.offset()] = response.grant_id();
  ExpectBacked(lane.file_id, segment.offset(), segment.length());
}

void SimulatedAgent::ReturnSegment(uint64_t lane_id, uint64_t offset) {
  belief_->lanes.at(lane_id).segments.erase(offset);
  // As the agents' library does: repeated until it is answered, while other calls pass. The segment
  // is not the agent's any more, whatever the answer.
  const bool unnamed = environment_.bug == PlantedBug::kReturnsUnnamed;
  SendReturn(lane_id, offset, unnamed ? 0 : belief_->lanes.at(lane_id).grants.at(offset));
}

void SimulatedAgent::SendReturn(uint64_t lane_id, uint64_t offset, uint64_t grant_id) {
  Call<absl::Status>(
      absl::StrCat("returns ", offset, " of lane ", lane_id),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::ReturnSegmentRequest request;
        request.set_lane_id(lane_id);
        request.set_offset(offset);
        request.set_grant_id(grant_id);
        return coordinator.writers().Return(token, request);
      },
      [](const absl::Status&) {}, [=, this] { SendReturn(lane_id, offset, grant_id); });
}

void SimulatedAgent::CloseWriter(uint64_t lane_id) {
  belief_->lanes[lane_id].closing = true;
  Call<absl::Status>(
      absl::StrCat("closes the writer of lane ", lane_id),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::CloseWriterRequest request;
        request.set_lane_id(lane_id);
        return coordinator.writers().Close(token, request);
      },
      [=, this](const absl::Status& status) {
        Excuse("closes a writer", status, true);
        belief_->lanes.erase(lane_id);
      },
      [=, this] { CloseWriter(lane_id); });
}

void SimulatedAgent::Write() {
  auto& [lane_id, lane] = Any(environment_.choices, belief_->lanes);
  if (lane.closing || !belief_->descriptors.contains(lane.file_id)) return;
  if (witness_.MayBeEvicted(belief_->session_id)) return;
  Inode* const inode = machine_.files.FindFile(lane.file_id);
  for (const auto& [offset, length] : lane.segments) {
    for (uint64_t page = offset / PageSize(); page < (offset + length) / PageSize(); ++page) {
      if (page >= inode->pages.size() || inode->pages[page] == PageState::kHole) {
        environment_.Broken("page ", page, " of lane ", lane_id, " is not there to be written");
        return;
      }
      inode->pages[page] = PageState::kWritten;
    }
  }
}

// ---- Readers -----------------------------------------------------------------------------------

void SimulatedAgent::UseReaders() {
  if (!attached()) return;
  Choices& choices = environment_.choices;
  if (belief_->readers.empty() || choices.OneIn(6))
    return OpenReader(StreamName(choices), NewKey());
  for (auto& [key, followed] : belief_->followed) {
    if ((followed.ended || HasDied(followed)) && !followed.released &&
        belief_->readers.contains(key.first) && choices.OneIn(2)) {
      return ReleaseLane(key.first, key.second);
    }
  }
  const auto& [reader_id, reader] = Any(choices, belief_->readers);
  if (!reader.closing && choices.OneIn(4)) CloseReader(reader_id);
}

bool SimulatedAgent::HasDied(const Belief::Followed& followed) const {
  return belief_->watched.contains(followed.writer_session_id) &&
         witness_.HasDied(followed.writer_session_id);
}

void SimulatedAgent::OpenReader(const std::string& stream, const std::string& key) {
  Call<absl::StatusOr<v1::OpenReaderResponse>>(
      absl::StrCat("opens a reader of ", stream, " with ", key),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::OpenReaderRequest request;
        request.set_stream(stream);
        request.set_create_if_missing(true);
        request.set_idempotency_key(key);
        return coordinator.readers().Open(token, request);
      },
      [=, this](const absl::StatusOr<v1::OpenReaderResponse>& response) {
        if (!response.ok()) return Excuse("opens a reader", response.status(), false);
        if (!ReadAll()) return;
        witness_.Named(response->reader_id(), absl::StrCat("reader, ", key));
        witness_.Named(response->file_id(), absl::StrCat("file of reader ", response->reader_id()));
        if (!belief_->readers
                 .emplace(response->reader_id(), Belief::Reader{.file_id = response->file_id()})
                 .second) {
          return;
        }
        ExpectDescriptor(response->file_id());
      },
      [=, this] { OpenReader(stream, key); });
}

void SimulatedAgent::CloseReader(uint64_t reader_id) {
  belief_->readers[reader_id].closing = true;
  Call<absl::Status>(
      absl::StrCat("closes reader ", reader_id),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::CloseReaderRequest request;
        request.set_reader_id(reader_id);
        return coordinator.readers().Close(token, request);
      },
      [=, this](const absl::Status& status) {
        Excuse("closes a reader", status, true);
        belief_->readers.erase(reader_id);
        belief_->closed_readers.insert(reader_id);
        std::erase_if(belief_->followed,
                      [&](const auto& entry) { return entry.first.first == reader_id; });
      },
      [=, this] { CloseReader(reader_id); });
}

void SimulatedAgent::ReleaseLane(uint64_t reader_id, uint64_t lane_id) {
  const auto found = belief_->followed.find({reader_id, lane_id});
  if (found != belief_->followed.end()) {
    found->second.released = true;
    // Stays, though a new connection may not say whose process it was.
    found->second.by_death = found->second.by_death || HasDied(found->second);
  }
  belief_->released.insert({reader_id, lane_id});
  Call<absl::Status>(
      absl::StrCat("releases lane ", lane_id, " of reader ", reader_id),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::ReleaseLaneRequest request;
        request.set_reader_id(reader_id);
        request.set_lane_id(lane_id);
        return coordinator.readers().ReleaseLane(token, request);
      },
      [=, this](const absl::Status& status) {
        const auto followed = belief_->followed.find({reader_id, lane_id});
        if (absl::IsFailedPrecondition(status) && followed != belief_->followed.end() &&
            followed->second.by_death) {
          // The coordinator did not know that yet. Once it says so, it takes the lane.
          followed->second.released = false;
          belief_->released.erase({reader_id, lane_id});
          return;
        }
        const auto reader = belief_->readers.find(reader_id);
        const bool closing = reader == belief_->readers.end() || reader->second.closing;
        Excuse("releases a lane", status, closing);
        belief_->followed.erase({reader_id, lane_id});
      },
      [=, this] { ReleaseLane(reader_id, lane_id); });
}

// ---- Splits ------------------------------------------------------------------------------------

void SimulatedAgent::UseSplits() {
  if (!attached()) return;
  Choices& choices = environment_.choices;
  switch (choices.Below(8)) {
    case 0:
    case 1:
      return BringFile();
    case 2:
      return OpenSplit();
    case 3:
    case 4:
    case 5:
      return TakeExtent();
    case 6:
      if (belief_->taken.empty()) return;
      return CompleteExtent(Any(choices, belief_->taken));
    default:
      if (belief_->splits.empty() || choices.OneIn(2)) return;
      return CloseSplit(Any(choices, belief_->splits));
  }
}

void SimulatedAgent::BringFile() {
  if (connection_->coordinator_closed || belief_->brought.size() > 3) return;
  v1::BringFile bring;
  bring.set_request_id(++brought_);
  bring.set_label(absl::StrCat("file ", brought_));
  bring.set_protection(brought_ % 2 == 0 ? v1::PROTECTION_READ_WRITE : v1::PROTECTION_READ);
  connection_->to_coordinator.emplace_back(std::move(bring));
}

void SimulatedAgent::OpenSplit() {
  std::optional<uint64_t> source;
  std::optional<uint64_t> target;
  for (const auto& [file_id, writable] : belief_->brought) (writable ? target : source) = file_id;
  if (!source.has_value() || !target.has_value()) return;
  std::erase_if(belief_->brought, [&](const auto& entry) {
    return entry.first == *source || entry.first == *target;
  });
  const std::string name = JobName(environment_.choices);
  Call<absl::StatusOr<v1::OpenSplitResponse>>(
      absl::StrCat("opens split ", name),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::OpenSplitRequest request;
        request.set_name(name);
        request.set_source_file_id(*source);
        request.set_target_file_id(*target);
        request.set_length(3 * PageSize());
        request.set_extent_bytes(PageSize());
        return coordinator.splits().Open(token, request);
      },
      [=, this](const absl::StatusOr<v1::OpenSplitResponse>& response) {
        if (response.ok()) {
          witness_.Named(response->split_id(), absl::StrCat("split of file ", *target));
          belief_->splits.push_back(response->split_id());
        } else if (!absl::IsAlreadyExists(response.status())) {
          Excuse("opens a split", response.status(), true);
        }
      },
      nullptr);
}

void SimulatedAgent::TakeExtent() {
  const std::string name = JobName(environment_.choices);
  const SimulatedProcess* const process = process_;
  const uint64_t session_id = belief_->session_id;
  Call<absl::StatusOr<v1::TakeExtentResponse>>(
      absl::StrCat("takes an extent of ", name),
      [=, this](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::TakeExtentRequest request;
        request.set_name(name);
        auto taken = coordinator.splits().Take(token, request, absl::InfiniteFuture());
        if (taken.ok() && taken->state() == v1::TakeExtentResponse::STATE_GRANTED) {
          witness_.Taken(taken->target().file_id(), taken->target().offset(), taken->epoch(),
                         process, session_id);
        }
        return taken;
      },
      [=, this](const absl::StatusOr<v1::TakeExtentResponse>& response) {
        if (!response.ok()) {
          if (absl::IsAborted(response.status())) return;
          return Excuse("takes an extent", response.status(), true);
        }
        if (response->state() != v1::TakeExtentResponse::STATE_GRANTED) return;
        belief_->taken.push_back({.split_id = response->split_id(),
                                  .index = response->extent_index(),
                                  .epoch = response->epoch(),
                                  .file_id = response->target().file_id(),
                                  .offset = response->target().offset()});
      },
      nullptr);
}

void SimulatedAgent::CompleteExtent(const Belief::Taken& chosen) {
  const Belief::Taken taken = chosen;
  std::erase_if(belief_->taken, [&](const auto& one) { return one.epoch == taken.epoch; });
  witness_.GaveBack(taken.file_id, taken.offset, belief_->session_id);
  const bool fails = environment_.choices.OneIn(12);
  Call<absl::Status>(
      absl::StrCat("completes extent ", taken.index, " of split ", taken.split_id),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::CompleteExtentRequest request;
        request.set_split_id(taken.split_id);
        request.set_extent_index(taken.index);
        request.set_epoch(taken.epoch);
        if (fails) request.set_failure("simulated");
        return coordinator.splits().Complete(token, request);
      },
      // A repeated failure finds the extent given back.
      [=, this](const absl::Status& status) {
        if (!(fails && absl::IsFailedPrecondition(status))) {
          Excuse("completes an extent", status, true);
        }
      },
      [=, this] { CompleteExtent(taken); });
}

void SimulatedAgent::CloseSplit(uint64_t split_id) {
  std::erase(belief_->splits, split_id);
  Call<absl::Status>(
      absl::StrCat("closes split ", split_id),
      [=](SimulatedCoordinator& coordinator, const std::string& token) {
        v1::CloseSplitRequest request;
        request.set_split_id(split_id);
        return coordinator.splits().Close(token, request);
      },
      [this](const absl::Status& status) { Excuse("closes a split", status, true); },
      [=, this] { CloseSplit(split_id); });
}

void SimulatedAgent::Detach() {
  if (belief_->session_id == 0) return;
  belief_->detaching = true;
  belief_->again.clear();
  witness_.GaveBackAll(belief_->session_id);
  Call<absl::Status>(
      "detaches",
      [](SimulatedCoordinator& coordinator, const std::string& token) {
        return coordinator.Detach(token);
      },
      [this](const absl::Status& status) {
        Excuse("detaches", status, true);
        Forget();
      },
      [this] { Detach(); });
}

}  // namespace causeway::simulation
