#include "control/state/catalog_fixture.h"

#include <optional>
#include <variant>

#include "absl/strings/str_cat.h"

namespace causeway {
namespace {

// 32 bytes that differ from name to name.
std::string Pad(const std::string& text, size_t size) {
  std::string padded = text.substr(0, size);
  padded.resize(size, '#');
  return padded;
}

}  // namespace

Limits SmallLimits() {
  Limits limits;
  limits.default_segment_bytes = 2 * kTestPage;
  limits.default_capacity_bytes = 8 * kTestPage;
  limits.default_max_frame_bytes = kTestPage;
  limits.default_split_extent_bytes = 4 * kTestPage;
  return limits;
}

CatalogFixture::CatalogFixture(const Limits& limits) : limits_(limits) {
  auto catalog = Catalog::FromRecords({}, limits);
  EXPECT_TRUE(catalog.ok()) << catalog.status();
  catalog_ = *std::move(catalog);
  (void)Must([](Catalog& catalog) -> absl::StatusOr<EpochStart> { return catalog.BeginEpoch(); });
}

void CatalogFixture::Settle(bool ok, const std::string& before) {
  Journal& journal = catalog_->journal();
  if (!ok) {
    EXPECT_TRUE(journal.Writes().empty()) << "a failed operation changed something";
    EXPECT_TRUE(journal.effects().empty()) << "a failed operation told something";
    EXPECT_EQ(catalog_->Dump(), before);
  }
  for (const Write& write : journal.Writes()) {
    if (write.value.has_value()) {
      stored_[{write.table, write.key}] = *write.value;
    } else {
      stored_.erase({write.table, write.key});
    }
  }
  for (Effect& effect : journal.Clear()) effects_.push_back(std::move(effect));
  const absl::Status invariants = catalog_->CheckInvariants();
  EXPECT_TRUE(invariants.ok()) << invariants << "\n" << catalog_->Dump();
  ++now_;
}

std::string CatalogFixture::TokenOf(const std::string& name) { return Pad("token of " + name, 32); }

AttachRequest CatalogFixture::RequestOf(const std::string& name) {
  AttachRequest request{.connection_id = ++connections_,
                        .agent_name = name,
                        .token_sha256 = TokenOf(name),
                        .now_unix_ms = now_};
  request.incarnation.set_boot_id("boot");
  request.incarnation.set_pid(static_cast<int64_t>(100 + connections_));
  request.incarnation.set_start_time_ticks(connections_);
  request.incarnation.set_nonce(Pad(name, 16));
  return request;
}

uint64_t CatalogFixture::Attach(const std::string& name) {
  const AttachRequest request = RequestOf(name);
  const auto result = Must([&](Catalog& catalog) { return catalog.sessions().Attach(request); });
  return result.ok() ? result->session_id : 0;
}

absl::Status CatalogFixture::TryAttach(const std::string& name) {
  const AttachRequest request = RequestOf(name);
  return Do([&](Catalog& catalog) { return catalog.sessions().Attach(request); }).status();
}

absl::Status CatalogFixture::Resume(uint64_t session_id) {
  const records::Session session = *books().sessions.Find(session_id);
  const ResumeRequest request{.connection_id = ++connections_,
                              .session_id = session_id,
                              .incarnation = session.incarnation(),
                              .token_sha256 = session.token_sha256()};
  return Do([&](Catalog& catalog) { return catalog.sessions().Resume(request); }).status();
}

uint64_t CatalogFixture::ConnectionOf(uint64_t session_id) const {
  const records::Session* session = books().sessions.Find(session_id);
  return session == nullptr ? 0 : session->connection_id();
}

void CatalogFixture::LoseConnection(uint64_t session_id) {
  const uint64_t connection = ConnectionOf(session_id);
  (void)Must(
      [&](Catalog& catalog) { return catalog.sessions().ConnectionLost(session_id, connection); });
}

void CatalogFixture::Exit(uint64_t session_id) {
  (void)Must([&](Catalog& catalog) { return catalog.sessions().ProcessExited(session_id); });
}

void CatalogFixture::Die(uint64_t session_id) {
  LoseConnection(session_id);
  Exit(session_id);
}

absl::Status CatalogFixture::Evict(uint64_t session_id) {
  return Do([&](Catalog& catalog) { return catalog.sessions().Evict(session_id, "for a test"); });
}

absl::Status CatalogFixture::Detach(uint64_t session_id) {
  return Do([&](Catalog& catalog) { return catalog.sessions().Detach(session_id); });
}

uint64_t CatalogFixture::AddWriter(uint64_t session_id, const std::string& stream) {
  const OpenWriter request{.session_id = session_id,
                           .stream = stream,
                           .create_options = v1::StreamOptions(),
                           .now_unix_ms = now_};
  const auto reserved = Must([&](Catalog& catalog) { return catalog.writers().Reserve(request); });
  if (!reserved.ok()) return 0;
  const uint64_t lane_id = reserved->grant.lane.lane_id();
  (void)Must([&](Catalog& catalog) { return catalog.writers().Confirm(lane_id, now_); });
  return lane_id;
}

uint64_t CatalogFixture::AddReader(uint64_t session_id, const std::string& stream) {
  const OpenReader request{.session_id = session_id,
                           .stream = stream,
                           .create_options = v1::StreamOptions(),
                           .now_unix_ms = now_};
  const auto reserved = Must([&](Catalog& catalog) { return catalog.readers().Reserve(request); });
  if (!reserved.ok()) return 0;
  const uint64_t reader_id = reserved->grant.reader.reader_id();
  const auto confirmed =
      Must([&](Catalog& catalog) { return catalog.readers().Confirm(reader_id, now_); });
  EXPECT_TRUE(confirmed.ok() && confirmed->complete);
  return reader_id;
}

absl::StatusOr<records::Extent> CatalogFixture::Grow(uint64_t session_id, uint64_t lane_id,
                                                     uint64_t length) {
  const GrantSegment request{
      .session_id = session_id, .lane_id = lane_id, .length = length, .now_unix_ms = now_};
  const auto reserved =
      Do([&](Catalog& catalog) { return catalog.writers().ReserveSegment(request); });
  if (!reserved.ok()) return reserved.status();
  const uint64_t extent_id = reserved->extent.extent_id();
  return Do([&](Catalog& catalog) { return catalog.writers().ConfirmSegment(extent_id, now_); });
}

uint64_t CatalogFixture::Bring(uint64_t session_id, uint64_t size_bytes,
                               v1::Protection protection) {
  const BringFile request{.session_id = session_id,
                          .label = absl::StrCat("/tmp/file of ", session_id),
                          .protection = protection,
                          .size_bytes = size_bytes,
                          .now_unix_ms = now_};
  const auto file_id = Must([&](Catalog& catalog) { return catalog.splits().Bring(request); });
  return file_id.ok() ? *file_id : 0;
}

absl::StatusOr<records::Split> CatalogFixture::AddSplit(uint64_t session_id,
                                                        const std::string& name, uint64_t length,
                                                        uint64_t extent_bytes) {
  const OpenSplit request{.session_id = session_id,
                          .name = name,
                          .source_file_id = Bring(session_id, length, v1::PROTECTION_READ),
                          .target_file_id = Bring(session_id, length),
                          .length = length,
                          .extent_bytes = extent_bytes};
  return Do([&](Catalog& catalog) { return catalog.splits().Open(request); });
}

std::vector<Effect> CatalogFixture::TakeEffects() {
  std::vector<Effect> taken;
  taken.swap(effects_);
  return taken;
}

std::vector<std::string> CatalogFixture::EventsTo(uint64_t session_id,
                                                  const std::vector<Effect>& effects) {
  std::vector<std::string> events;
  for (const Effect& effect : effects) {
    const auto* send = std::get_if<SendEvent>(&effect);
    if (send == nullptr || send->session_id != session_id) continue;
    events.push_back(send->event.ShortDebugString());
  }
  return events;
}

std::vector<Record> CatalogFixture::Stored() const {
  std::vector<Record> records;
  for (const auto& [place, value] : stored_) {
    records.push_back(Record{place.first, place.second, value});
  }
  return records;
}

EpochStart CatalogFixture::Restart() {
  const std::vector<Record> stored = Stored();
  EXPECT_EQ(catalog_->Records(), stored) << "the store has something else than the state";
  auto restored = Catalog::FromRecords(stored, limits_);
  EXPECT_TRUE(restored.ok()) << restored.status();
  if (!restored.ok()) return {};
  EXPECT_EQ((*restored)->Records(), stored);
  catalog_ = *std::move(restored);
  effects_.clear();
  EpochStart start;
  (void)Must([&](Catalog& catalog) {
    start = catalog.BeginEpoch();
    return absl::OkStatus();
  });
  return start;
}

std::vector<Record> BusyRecords() {
  CatalogFixture fixture;
  const uint64_t writer = fixture.Attach("writer");
  const uint64_t reader = fixture.Attach("reader");
  const uint64_t evicted = fixture.Attach("evicted");
  fixture.AddWriter(writer);
  fixture.AddWriter(evicted);
  fixture.AddReader(reader);
  fixture.AddReader(reader);
  const uint64_t lane = fixture.AddWriter(writer);
  EXPECT_TRUE(fixture.Grow(writer, lane).ok());
  EXPECT_TRUE(fixture.Evict(evicted).ok());
  return fixture.Stored();
}

}  // namespace causeway
