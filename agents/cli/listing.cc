#include "agents/cli/listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/cli/table.h"
#include "mmapcore/segment_format.h"

namespace causeway {
namespace {

using Json = nlohmann::ordered_json;
using Kind = Column::Kind;

std::string Bytes(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }

// "DURABILITY_MEMORY" as "memory".
std::string Word(const std::string& constant, const std::string& prefix) {
  return absl::AsciiStrToLower(constant.substr(std::min(prefix.size(), constant.size())));
}

std::string DurabilityWord(const v1::Stream& stream) {
  return Word(v1::Durability_Name(stream.options().durability()), "DURABILITY_");
}

std::string StateWord(const v1::Agent& agent) {
  return Word(v1::Agent::State_Name(agent.state()), "STATE_");
}

std::string RightsWord(const v1::GrantedExtent& extent) {
  return extent.protection() == v1::PROTECTION_READ_WRITE ? "rw" : "r";
}

// How many entries are shown.
template <typename Entry>
size_t Shown(const std::vector<Entry>& entries, size_t limit) {
  return limit == 0 ? entries.size() : std::min(entries.size(), limit);
}

// The heading, the table, and whether there is more.
template <typename Entry>
std::string Section(const std::string& title, const std::vector<Entry>& entries,
                    const Listing& listing, TextTable table, size_t width) {
  std::string text = absl::StrCat("\n", title, "\n");
  if (entries.empty()) return absl::StrCat(text, "none\n");
  absl::StrAppend(&text, table.Render(width));
  if (Shown(entries, listing.limit) < entries.size()) {
    absl::StrAppend(&text, "There are more than ", listing.limit, "; --limit=0 shows all.\n");
  }
  return text;
}

std::string StreamSection(const Listing& listing, size_t width) {
  TextTable table({{"NAME", Kind::kLongText},
                   {"ID", Kind::kNumber},
                   {"LANES", Kind::kNumber},
                   {"READERS", Kind::kNumber},
                   {"GRANTED", Kind::kNumber},
                   {"CAPACITY", Kind::kNumber},
                   {"MAX FRAME", Kind::kNumber},
                   {"BYTES IN"},
                   {"TIMESTAMPS"}});
  for (size_t i = 0; i < Shown(listing.streams, listing.limit); ++i) {
    const v1::Stream& stream = listing.streams[i];
    table.AddRow({stream.name(), absl::StrCat(stream.stream_id()), absl::StrCat(stream.lanes()),
                  absl::StrCat(stream.readers()), Bytes(stream.granted_bytes()),
                  Bytes(stream.options().capacity_bytes()),
                  Bytes(stream.options().max_frame_bytes()), DurabilityWord(stream),
                  stream.options().timestamps() ? "yes" : "no"});
  }
  return Section("STREAMS", listing.streams, listing, std::move(table), width);
}

std::string PolicyWord(const v1::Cursor& cursor) {
  return Word(v1::ReaderPolicy_Name(cursor.policy()), "READER_POLICY_");
}

std::string ReaderSection(const Listing& listing, size_t width) {
  TextTable table({{"STREAM", Kind::kLongText},
                   {"READER", Kind::kNumber},
                   {"SESSION", Kind::kNumber},
                   {"LANE", Kind::kNumber},
                   {"POLICY"},
                   {"POSITION", Kind::kNumber},
                   {"LAG", Kind::kNumber}});
  for (size_t i = 0; i < Shown(listing.readers, listing.limit); ++i) {
    const ListedReader& reader = listing.readers[i];
    // One that has left the lane holds no place in it.
    const bool left = reader.cursor.position() == kPositionPastAll;
    table.AddRow({reader.stream, absl::StrCat(reader.cursor.reader_id()),
                  absl::StrCat(reader.cursor.session_id()), absl::StrCat(reader.cursor.lane_id()),
                  PolicyWord(reader.cursor), left ? "-" : GroupDigits(reader.cursor.position()),
                  Bytes(reader.cursor.lag_bytes())});
  }
  return Section("READERS", listing.readers, listing, std::move(table), width);
}

std::string AgentSection(const Listing& listing, size_t width, int64_t now_unix_ms) {
  TextTable table({{"NAME", Kind::kLongText},
                   {"SESSION", Kind::kNumber},
                   {"PID", Kind::kNumber},
                   {"UID", Kind::kNumber},
                   {"WRITERS", Kind::kNumber},
                   {"READERS", Kind::kNumber},
                   {"GRANTED", Kind::kNumber},
                   {"AGE", Kind::kNumber},
                   {"STATE"}});
  for (size_t i = 0; i < Shown(listing.agents, listing.limit); ++i) {
    const v1::Agent& agent = listing.agents[i];
    table.AddRow({agent.name(), absl::StrCat(agent.session_id()), absl::StrCat(agent.pid()),
                  absl::StrCat(agent.uid()), absl::StrCat(agent.writers()),
                  absl::StrCat(agent.readers()), Bytes(agent.granted_bytes()),
                  HumanAge(now_unix_ms - agent.attached_unix_ms()), StateWord(agent)});
  }
  return Section("AGENTS", listing.agents, listing, std::move(table), width);
}

std::string ExtentSection(const Listing& listing, size_t width) {
  TextTable table({{"FILE", Kind::kNumber},
                   {"OFFSET", Kind::kNumber},
                   {"LENGTH", Kind::kNumber},
                   {"RIGHTS"},
                   {"SESSION", Kind::kNumber},
                   {"AGENT", Kind::kLongText},
                   {"STREAM", Kind::kLongText},
                   {"PURPOSE"},
                   {"AGE", Kind::kNumber}});
  for (size_t i = 0; i < Shown(listing.extents, listing.limit); ++i) {
    const v1::GrantedExtent& extent = listing.extents[i];
    table.AddRow({absl::StrCat(extent.extent().file_id()), GroupDigits(extent.extent().offset()),
                  GroupDigits(extent.extent().length()), RightsWord(extent),
                  absl::StrCat(extent.session_id()), extent.agent_name(), extent.stream(),
                  extent.purpose(), HumanAge(extent.age_ms())});
  }
  return Section("EXTENTS", listing.extents, listing, std::move(table), width);
}

Json StreamJson(const v1::Stream& stream) {
  return {{"stream_id", stream.stream_id()},
          {"name", stream.name()},
          {"lanes", stream.lanes()},
          {"readers", stream.readers()},
          {"granted_bytes", stream.granted_bytes()},
          {"created_unix_ms", stream.created_unix_ms()},
          {"durability", DurabilityWord(stream)},
          {"segment_bytes", stream.options().segment_bytes()},
          {"capacity_bytes", stream.options().capacity_bytes()},
          {"max_frame_bytes", stream.options().max_frame_bytes()},
          {"timestamps", stream.options().timestamps()}};
}

Json ReaderJson(const ListedReader& reader) {
  return {{"stream", reader.stream},
          {"reader_id", reader.cursor.reader_id()},
          {"session_id", reader.cursor.session_id()},
          {"lane_id", reader.cursor.lane_id()},
          {"policy", PolicyWord(reader.cursor)},
          {"position", reader.cursor.position()},
          {"lag_bytes", reader.cursor.lag_bytes()}};
}

Json AgentJson(const v1::Agent& agent) {
  return {{"session_id", agent.session_id()},
          {"name", agent.name()},
          {"pid", agent.pid()},
          {"uid", agent.uid()},
          {"attached_unix_ms", agent.attached_unix_ms()},
          {"state", StateWord(agent)},
          {"granted_bytes", agent.granted_bytes()},
          {"writers", agent.writers()},
          {"readers", agent.readers()}};
}

Json ExtentJson(const v1::GrantedExtent& extent) {
  return {{"file_id", extent.extent().file_id()},
          {"offset", extent.extent().offset()},
          {"length", extent.extent().length()},
          {"rights", RightsWord(extent)},
          {"session_id", extent.session_id()},
          {"agent_name", extent.agent_name()},
          {"stream", extent.stream()},
          {"purpose", extent.purpose()},
          {"epoch", extent.epoch()},
          {"granted_unix_ms", extent.granted_unix_ms()}};
}

template <typename Entry>
void AddList(Json& json, const std::string& name, const std::vector<Entry>& entries, size_t limit,
             Json (*entry_json)(const Entry&)) {
  Json& list = json[name] = Json::array();
  for (size_t i = 0; i < Shown(entries, limit); ++i) list.push_back(entry_json(entries[i]));
  if (list.size() < entries.size()) json[name + "_truncated"] = true;
}

}  // namespace

std::string RenderListing(const Listing& listing, size_t width, int64_t now_unix_ms) {
  const v1::DescribeCoordinatorResponse& coordinator = listing.coordinator;
  std::string text = absl::StrCat(
      "Coordinator of ", coordinator.directory(), ": version ", coordinator.version(), ", pid ",
      coordinator.pid(), ", epoch ", coordinator.epoch(), ", up ",
      HumanAge(now_unix_ms - coordinator.started_unix_ms()), ", ",
      Bytes(coordinator.granted_bytes()), " granted",
      coordinator.huge_pages().empty() ? "" : ", huge pages: ", coordinator.huge_pages(), "\n");
  if (listing.has_streams) absl::StrAppend(&text, StreamSection(listing, width));
  if (listing.has_readers) absl::StrAppend(&text, ReaderSection(listing, width));
  if (listing.has_agents) absl::StrAppend(&text, AgentSection(listing, width, now_unix_ms));
  if (listing.has_extents) absl::StrAppend(&text, ExtentSection(listing, width));
  return text;
}

std::string ListingJson(const Listing& listing) {
  const v1::DescribeCoordinatorResponse& coordinator = listing.coordinator;
  Json json;
  json["coordinator"] = {{"version", coordinator.version()},
                         {"epoch", coordinator.epoch()},
                         {"pid", coordinator.pid()},
                         {"started_unix_ms", coordinator.started_unix_ms()},
                         {"directory", coordinator.directory()},
                         {"volatile_directory", coordinator.volatile_directory()},
                         {"granted_bytes", coordinator.granted_bytes()},
                         {"huge_pages", coordinator.huge_pages()}};
  if (listing.has_streams) {
    AddList(json, "streams", listing.streams, listing.limit, StreamJson);
  }
  if (listing.has_readers) {
    AddList(json, "readers", listing.readers, listing.limit, ReaderJson);
  }
  if (listing.has_agents) AddList(json, "agents", listing.agents, listing.limit, AgentJson);
  if (listing.has_extents) {
    AddList(json, "extents", listing.extents, listing.limit, ExtentJson);
  }
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

std::string HumanAge(int64_t ms) {
  const int64_t seconds = std::max<int64_t>(ms, 0) / 1000;
  if (seconds < 120) return absl::StrCat(seconds, " s");
  if (seconds < 2 * 3600) return absl::StrCat(seconds / 60, " min");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, " h");
  return absl::StrCat(seconds / 86400, " d");
}

}  // namespace causeway
