#include "control/service/admin_calls.h"

#include <unistd.h>

#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "control/api/names/stream_name.h"
#include "control/log/log.h"
#include "control/service/error_details.h"
#include "control/state/queries.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

static_assert(static_cast<int>(v1::Agent::STATE_ATTACHED) == records::Session::STATE_ATTACHED);
static_assert(static_cast<int>(v1::Agent::STATE_DISCONNECTED) ==
              records::Session::STATE_DISCONNECTED);
static_assert(static_cast<int>(v1::Agent::STATE_FENCED) == records::Session::STATE_FENCED);
static_assert(static_cast<int>(v1::File::KIND_LANE) == records::File::KIND_LANE);
static_assert(static_cast<int>(v1::File::KIND_CURSOR) == records::File::KIND_CURSOR);
static_assert(static_cast<int>(v1::File::KIND_BROUGHT) == records::File::KIND_BROUGHT);

// A lane's page is the first of its file.
constexpr uint64_t kLanePageOffset = 0;

ErrorSubject AboutPageToken() { return {.field = "page_token"}; }

ErrorSubject AboutStream(const std::string& name, std::string_view field) {
  return {.field = field, .resource_type = kStreamResource, .resource_name = QuotedName(name)};
}

v1::Agent AgentToApi(const AgentView& view) {
  v1::Agent api;
  api.set_session_id(view.session.session_id());
  api.set_name(view.session.agent_name());
  api.set_pid(view.session.incarnation().pid());
  api.set_uid(view.session.incarnation().uid());
  api.set_attached_unix_ms(view.session.attached_unix_ms());
  api.set_state(static_cast<v1::Agent::State>(view.session.state()));
  api.set_granted_bytes(view.granted_bytes);
  api.set_writers(view.writers);
  api.set_readers(view.readers);
  return api;
}

v1::File::State StateToApi(records::File::State state) {
  switch (state) {
    case records::File::STATE_RESERVED:
      return v1::File::STATE_RESERVED;
    case records::File::STATE_LIVE:
      return v1::File::STATE_LIVE;
    case records::File::STATE_RETIRED:
      return v1::File::STATE_RETIRED;
    default:
      return v1::File::STATE_UNSPECIFIED;
  }
}

const char* PurposeText(records::Extent::Purpose purpose) {
  switch (purpose) {
    case records::Extent::PURPOSE_LANE_PAGE:
      return "lane page";
    case records::Extent::PURPOSE_SEGMENT:
      return "segment";
    case records::Extent::PURPOSE_CURSOR:
      return "cursor";
    case records::Extent::PURPOSE_SPLIT_SOURCE:
      return "split source";
    case records::Extent::PURPOSE_SPLIT_TARGET:
      return "split target";
    default:
      return "";
  }
}

v1::GrantedExtent GrantToApi(const ExtentView& view, int64_t now_unix_ms) {
  v1::GrantedExtent api;
  *api.mutable_extent() = ToApi(view.extent);
  api.set_protection(view.extent.protection());
  api.set_session_id(view.extent.session_id());
  api.set_agent_name(view.agent_name);
  api.set_stream(view.stream);
  api.set_purpose(PurposeText(view.extent.purpose()));
  api.set_epoch(view.extent.epoch());
  api.set_granted_unix_ms(view.extent.granted_unix_ms());
  if (view.extent.granted_unix_ms() != 0) {
    api.set_age_ms(now_unix_ms - view.extent.granted_unix_ms());
  }
  return api;
}

v1::Stream StreamToApi(const StreamView& view) {
  v1::Stream api;
  api.set_stream_id(view.stream.stream_id());
  api.set_name(view.stream.name());
  *api.mutable_options() = view.stream.options();
  api.set_created_unix_ms(view.stream.created_unix_ms());
  api.set_lanes(view.lanes);
  api.set_readers(view.readers);
  api.set_granted_bytes(view.granted_bytes);
  return api;
}

// Every extent that passes the filter: those of one agent or one file, which limits bound.
absl::StatusOr<std::vector<ExtentView>> AllExtents(const Books& books, const ExtentFilter& filter) {
  std::vector<ExtentView> all;
  PageRequest next = {.size = kMaxPageSize};
  do {
    absl::StatusOr<Page<ExtentView>> page = causeway::ListExtents(books, filter, next);
    if (!page.ok()) return page.status();
    for (ExtentView& view : page->items) all.push_back(std::move(view));
    next.token = page->next_token;
  } while (!next.token.empty());
  return all;
}

absl::Status CheckName(const std::string& stream) {
  return WithDetail(ValidateStreamName(stream), {.field = "name"});
}

}  // namespace

v1::File AdminCalls::FileToApi(const records::File& file) const {
  v1::File api;
  api.set_file_id(file.file_id());
  api.set_kind(static_cast<v1::File::Kind>(file.kind()));
  const std::string path = parts_.files->Label(file.file_id());
  api.set_path(path.empty() ? file.name() : path);
  api.set_size_bytes(file.size_bytes());
  if (file.kind() != records::File::KIND_BROUGHT) api.set_writer_session_id(file.session_id());
  api.set_epoch(file.epoch());
  api.set_state(StateToApi(file.state()));
  api.set_created_unix_ms(file.created_unix_ms());
  return api;
}

absl::StatusOr<v1::DescribeCoordinatorResponse> AdminCalls::DescribeCoordinator() {
  return parts_.state->Run(
      [&](Catalog& catalog) -> absl::StatusOr<v1::DescribeCoordinatorResponse> {
        v1::DescribeCoordinatorResponse response;
        response.set_version(facts_.version);
        response.set_epoch(catalog.coordinator_epoch());
        response.set_pid(getpid());
        response.set_started_unix_ms(facts_.started_unix_ms);
        response.set_directory(facts_.directory);
        response.set_volatile_directory(facts_.volatile_directory);
        response.set_huge_pages(facts_.huge_pages);
        for (const auto& [name, value] : LimitsByName(facts_.limits)) {
          (*response.mutable_limits())[name] = value;
        }
        uint64_t granted_bytes = 0;
        for (const SpaceHolder& holder :
             LargestHolders(catalog.books(), std::numeric_limits<size_t>::max())) {
          granted_bytes += holder.bytes;
        }
        response.set_granted_bytes(granted_bytes);
        return response;
      });
}

absl::StatusOr<v1::ListAgentsResponse> AdminCalls::ListAgents(
    const v1::ListAgentsRequest& request) {
  absl::StatusOr<Page<AgentView>> page = parts_.state->Run([&](Catalog& catalog) {
    return causeway::ListAgents(catalog.books(),
                                {.size = request.page_size(), .token = request.page_token()});
  });
  if (!page.ok()) return WithDetail(page.status(), AboutPageToken());
  v1::ListAgentsResponse response;
  for (const AgentView& view : page->items) *response.add_agents() = AgentToApi(view);
  response.set_next_page_token(page->next_token);
  return response;
}

absl::StatusOr<v1::DescribeAgentResponse> AdminCalls::DescribeAgent(
    const v1::DescribeAgentRequest& request) {
  absl::StatusOr<v1::DescribeAgentResponse> response =
      parts_.state->Run([&](Catalog& catalog) -> absl::StatusOr<v1::DescribeAgentResponse> {
        absl::StatusOr<AgentView> agent =
            causeway::DescribeAgent(catalog.books(), request.session_id());
        if (!agent.ok()) return agent.status();
        absl::StatusOr<std::vector<ExtentView>> extents =
            AllExtents(catalog.books(), {.session_id = request.session_id()});
        if (!extents.ok()) return extents.status();
        v1::DescribeAgentResponse described;
        *described.mutable_agent() = AgentToApi(*agent);
        const int64_t now = parts_.now_unix_ms();
        for (const ExtentView& view : *extents) {
          *described.add_extents() = GrantToApi(view, now);
        }
        return described;
      });
  if (response.ok()) return response;
  return WithDetail(response.status(), {.field = "session_id",
                                        .resource_type = kAgentResource,
                                        .resource_name = absl::StrCat(request.session_id())});
}

absl::Status AdminCalls::EvictAgent(const v1::EvictAgentRequest& request) {
  const absl::Status status = parts_.state->Run([&](Catalog& catalog) {
    return catalog.sessions().Evict(request.session_id(), request.reason());
  });
  if (status.ok()) {
    Log(LogLevel::kWarning, "agent evicted",
        {{"session", request.session_id()}, {"reason", request.reason()}});
  }
  return WithDetail(status, {.field = "reason",
                             .resource_type = kAgentResource,
                             .resource_name = absl::StrCat(request.session_id())});
}

absl::StatusOr<v1::ListFilesResponse> AdminCalls::ListFiles(const v1::ListFilesRequest& request) {
  absl::StatusOr<Page<records::File>> page = parts_.state->Run([&](Catalog& catalog) {
    return causeway::ListFiles(catalog.books(),
                               {.size = request.page_size(), .token = request.page_token()});
  });
  if (!page.ok()) return WithDetail(page.status(), AboutPageToken());
  v1::ListFilesResponse response;
  for (const records::File& file : page->items) *response.add_files() = FileToApi(file);
  response.set_next_page_token(page->next_token);
  return response;
}

absl::StatusOr<v1::DescribeFileResponse> AdminCalls::DescribeFile(
    const v1::DescribeFileRequest& request) {
  absl::StatusOr<v1::DescribeFileResponse> response =
      parts_.state->Run([&](Catalog& catalog) -> absl::StatusOr<v1::DescribeFileResponse> {
        absl::StatusOr<records::File> file =
            causeway::DescribeFile(catalog.books(), request.file_id());
        if (!file.ok()) return file.status();
        absl::StatusOr<std::vector<ExtentView>> extents =
            AllExtents(catalog.books(), {.file_id = request.file_id()});
        if (!extents.ok()) return extents.status();
        v1::DescribeFileResponse described;
        *described.mutable_file() = FileToApi(*file);
        const int64_t now = parts_.now_unix_ms();
        for (const ExtentView& view : *extents) {
          *described.add_extents() = GrantToApi(view, now);
        }
        return described;
      });
  if (response.ok()) return response;
  return WithDetail(response.status(), {.field = "file_id",
                                        .resource_type = kFileResource,
                                        .resource_name = absl::StrCat(request.file_id())});
}

absl::StatusOr<v1::ListExtentsResponse> AdminCalls::ListExtents(
    const v1::ListExtentsRequest& request) {
  absl::StatusOr<Page<ExtentView>> page = parts_.state->Run([&](Catalog& catalog) {
    return causeway::ListExtents(catalog.books(),
                                 {.file_id = request.file_id(), .session_id = request.session_id()},
                                 {.size = request.page_size(), .token = request.page_token()});
  });
  if (!page.ok()) return WithDetail(page.status(), AboutPageToken());
  v1::ListExtentsResponse response;
  const int64_t now = parts_.now_unix_ms();
  for (const ExtentView& view : page->items) *response.add_extents() = GrantToApi(view, now);
  response.set_next_page_token(page->next_token);
  return response;
}

absl::StatusOr<v1::ListStreamsResponse> AdminCalls::ListStreams(
    const v1::ListStreamsRequest& request) {
  absl::StatusOr<Page<StreamView>> page = parts_.state->Run([&](Catalog& catalog) {
    return causeway::ListStreams(catalog.books(),
                                 {.size = request.page_size(), .token = request.page_token()});
  });
  if (!page.ok()) return WithDetail(page.status(), AboutPageToken());
  v1::ListStreamsResponse response;
  for (const StreamView& view : page->items) *response.add_streams() = StreamToApi(view);
  response.set_next_page_token(page->next_token);
  return response;
}

absl::StatusOr<v1::DescribeStreamResponse> AdminCalls::DescribeStream(
    const v1::DescribeStreamRequest& request) {
  if (absl::Status bad = CheckName(request.name()); !bad.ok()) return bad;
  absl::StatusOr<StreamDetails> details = parts_.state->Run(
      [&](Catalog& catalog) { return causeway::DescribeStream(catalog.books(), request.name()); });
  if (!details.ok()) return WithDetail(details.status(), AboutStream(request.name(), "name"));
  v1::DescribeStreamResponse response;
  *response.mutable_stream() = StreamToApi(details->view);
  absl::flat_hash_map<uint64_t, uint64_t> positions;  // by lane
  for (const LaneView& view : details->lanes) {
    v1::Lane* lane = response.add_lanes();
    lane->set_lane_id(view.lane.lane_id());
    lane->set_writer_session_id(view.lane.session_id());
    lane->set_epoch(view.lane.epoch());
    lane->set_file_id(view.lane.file_id());
    lane->set_segments(view.segments);
    lane->set_bytes(view.bytes);
    lane->set_ended(view.lane.end_cause());
    lane->set_position(parts_.files
                           ->ReadWord(view.lane.file_id(),
                                      kLanePageOffset + offsetof(LanePage, committed_position))
                           .value_or(0));
    positions[view.lane.lane_id()] = lane->position();
  }
  for (const CursorView& view : details->cursors) {
    v1::Cursor* cursor = response.add_cursors();
    cursor->set_reader_id(view.cursor.reader_id());
    cursor->set_session_id(view.session_id);
    cursor->set_lane_id(view.cursor.lane_id());
    cursor->set_policy(view.policy);
    cursor->set_position(
        parts_.files
            ->ReadWord(view.page.file_id(), view.page.offset() + offsetof(CursorPage, position))
            .value_or(0));
    const uint64_t lane_position = positions[view.cursor.lane_id()];
    // A cursor may be ahead of what the writer has said for operators, or past everything.
    if (cursor->position() < lane_position) {
      cursor->set_lag_bytes(lane_position - cursor->position());
    }
  }
  return response;
}

absl::StatusOr<v1::CreateStreamResponse> AdminCalls::CreateStream(
    const v1::CreateStreamRequest& request) {
  if (absl::Status bad = CheckName(request.name()); !bad.ok()) return bad;
  absl::StatusOr<StreamDetails> created =
      parts_.state->Run([&](Catalog& catalog) -> absl::StatusOr<StreamDetails> {
        absl::StatusOr<records::Stream> stream =
            catalog.streams().Create(request.name(), request.options(), parts_.now_unix_ms());
        if (!stream.ok()) return stream.status();
        return causeway::DescribeStream(catalog.books(), request.name());
      });
  if (!created.ok()) return WithDetail(created.status(), AboutStream(request.name(), "options"));
  v1::CreateStreamResponse response;
  *response.mutable_stream() = StreamToApi(created->view);
  return response;
}

absl::Status AdminCalls::DeleteStream(const v1::DeleteStreamRequest& request) {
  if (absl::Status bad = CheckName(request.name()); !bad.ok()) return bad;
  return WithDetail(
      parts_.state->Run([&](Catalog& catalog) { return catalog.streams().Delete(request.name()); }),
      AboutStream(request.name(), "name"));
}

}  // namespace causeway
