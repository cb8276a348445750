// Random operations on random things, right and wrong ones, in batches that are stored or fail,
// with restarts in the middle. After every batch: the invariants; a failed batch has changed
// nothing; a restart finds the same state; and law 2, by books kept here and nowhere else.
//
// A failure prints its seed: run it alone with CAUSEWAY_SEED=<seed>.

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/state/catalog.h"
#include "control/state/catalog_fixture.h"
#include "control/state/queries.h"
#include "gtest/gtest.h"

namespace causeway {
namespace {

// Who was granted which bytes for writing, kept apart from the catalog. Bytes of a file are told
// apart by where their extent begins; extents of one file that overlap are found by the invariants.
class WriteWitness {
 public:
  void Died(uint64_t session_id) { dead_.insert(session_id); }
  // The holder itself gave the bytes up.
  void Released(uint64_t file_id, uint64_t offset) { holders_.erase({file_id, offset}); }
  void ReleasedAll(uint64_t session_id) {
    std::erase_if(holders_, [&](const auto& entry) { return entry.second == session_id; });
  }

  // Splits end with the coordinator, and so do its books on files that users brought.
  void Restarted(const Books& before) {
    for (const auto& [id, file] : before.files.rows()) {
      if (file.kind() != records::File::KIND_BROUGHT) continue;
      std::erase_if(holders_,
                    [file_id = id](const auto& entry) { return entry.first.first == file_id; });
    }
  }

  // Compares with what the books say now.
  void Look(const Books& books) {
    std::set<std::pair<uint64_t, uint64_t>> now;
    for (const auto& [id, extent] : books.extents.rows()) {
      if (extent.protection() != v1::PROTECTION_READ_WRITE) continue;
      if (extent.state() != records::Extent::STATE_GRANTED) continue;
      // Its writer gave it up; it is still there for the readers.
      const records::Lane* lane = books.lanes.Find(extent.owner_id());
      if (lane != nullptr && lane->end_cause() == v1::END_CAUSE_CLOSED) continue;
      const std::pair<uint64_t, uint64_t> place = {extent.file_id(), extent.offset()};
      now.insert(place);
      const auto [it, is_new] = holders_.emplace(place, extent.session_id());
      if (is_new || it->second == extent.session_id()) continue;
      EXPECT_EQ(dead_.count(it->second), 1u)
          << "file " << place.first << " offset " << place.second << " went from session "
          << it->second << ", which may live, to session " << extent.session_id();
      it->second = extent.session_id();
    }
    // What a fenced agent that lives could write is still in the books.
    for (const auto& [place, session_id] : holders_) {
      const records::Session* session = books.sessions.Find(session_id);
      if (session == nullptr || session->state() != records::Session::STATE_FENCED) continue;
      EXPECT_EQ(now.count(place), 1u) << "file " << place.first << " offset " << place.second
                                      << " of fenced session " << session_id << " was freed";
    }
  }

 private:
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> holders_;
  std::set<uint64_t> dead_;
};

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {
    limits_ = SmallLimits();
    limits_.max_agents = 6;
    limits_.max_streams = 3;
    limits_.max_lanes_per_stream = 4;
    limits_.max_readers_per_stream = 3;
    limits_.max_lanes_per_agent = 4;
    limits_.max_readers_per_agent = 3;
    limits_.max_writable_bytes_per_agent = 24 * kTestPage;
    limits_.max_splits_per_agent = 2;
    limits_.max_brought_files_per_agent = 6;
    limits_.max_extents_per_split = 8;
    catalog_ = *Catalog::FromRecords({}, limits_);
    catalog_->BeginEpoch();
    Keep();
  }

  void Run(int batches) {
    for (int i = 0; i < batches && !::testing::Test::HasFailure(); ++i) Batch();
  }

  // How often each kind of step succeeded.
  const std::vector<uint64_t>& succeeded() const { return succeeded_; }

  static constexpr uint64_t kSteps = 24;

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  // The key of a random row; mostly one that exists.
  template <typename Table>
  uint64_t Any(const Table& table) {
    if (table.rows().empty() || OneIn(20)) return Below(200);
    auto it = table.rows().begin();
    std::advance(it, static_cast<std::ptrdiff_t>(Below(table.size())));
    return it->first;
  }

  const Books& books() const { return catalog_->books(); }

  void Batch() {
    const bool store_fails = OneIn(8);
    const std::string before = store_fails ? catalog_->Dump() : "";
    const WriteWitness witness = store_fails ? witness_ : WriteWitness();
    const uint64_t operations = 1 + Below(4);
    for (uint64_t i = 0; i < operations; ++i) {
      const Journal::Mark mark = catalog_->journal().Here();
      const absl::Status status = Step();
      if (!status.ok()) {
        EXPECT_EQ(catalog_->journal().Here().mutations, mark.mutations) << status;
        EXPECT_EQ(catalog_->journal().Here().effects, mark.effects) << status;
      }
      EXPECT_NE(status.code(), absl::StatusCode::kInternal) << status;
    }
    if (store_fails) {
      catalog_->journal().UndoAll();
      witness_ = witness;
      EXPECT_EQ(catalog_->Dump(), before);
    } else {
      Keep();
    }
    const absl::Status invariants = catalog_->CheckInvariants();
    EXPECT_TRUE(invariants.ok()) << invariants << "\n" << catalog_->Dump();
    witness_.Look(books());
    if (OneIn(40)) Restart();
  }

  void Keep() {
    for (const Write& write : catalog_->journal().Writes()) {
      if (write.value.has_value()) {
        stored_[{write.table, write.key}] = *write.value;
      } else {
        stored_.erase({write.table, write.key});
      }
    }
    for (const Effect& effect : catalog_->journal().Clear()) {
      // An inode that is retired is never named again.
      if (const auto* retire = std::get_if<RetireFile>(&effect); retire != nullptr) {
        retired_.insert(retire->name);
      }
    }
    for (const auto& [id, file] : books().files.rows()) {
      if (file.kind() == records::File::KIND_BROUGHT) continue;
      const bool retired = file.state() == records::File::STATE_RETIRED;
      EXPECT_EQ(retired_.count(file.name()), retired ? 1u : 0u) << file.name();
    }
  }

  void Restart() {
    std::vector<Record> records;
    for (const auto& [place, value] : stored_) {
      records.push_back(Record{place.first, place.second, value});
    }
    EXPECT_EQ(catalog_->Records(), records);
    auto restored = Catalog::FromRecords(records, limits_);
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_EQ((*restored)->Records(), records);
    witness_.Restarted(books());
    catalog_ = *std::move(restored);
    catalog_->BeginEpoch();
    Keep();
    witness_.Look(books());
  }

  absl::Status Step() {
    ++now_;
    const uint64_t step = Below(kSteps);
    const absl::Status status = Step(step);
    if (status.ok()) ++succeeded_[step];
    return status;
  }

  absl::Status Step(uint64_t step) {
    switch (step) {
      case 0:
      case 1:
        return Attach();
      case 2:
        return Resume();
      case 3:
        return LoseConnection();
      case 4:
        return Exit();
      case 5:
        return OneIn(2) ? Evict() : Detach();
      case 6:
        return Streams();
      case 7:
      case 8:
        return ReserveWriter();
      case 9:
      case 10:
        return EndWriterReservation();
      case 11:
      case 12:
        return ReserveSegment();
      case 13:
        return EndSegmentReservation();
      case 14:
        return Return();
      case 15:
        return CloseWriter();
      case 16:
        return ReserveReader();
      case 17:
      case 18:
        return EndReaderReservation();
      case 19:
        return OneIn(3) ? CloseReader() : ReleaseLane();
      case 20:
        return OpenSplitOfNewFiles();
      case 21:
        return TakeSplit();
      case 22:
        return CompleteSplit();
      default:
        return Look();
    }
  }

  absl::Status Attach() {
    AttachRequest request{.connection_id = ++connections_,
                          .agent_name = absl::StrCat("agent", connections_),
                          .now_unix_ms = now_};
    request.token_sha256 = absl::StrCat("token", connections_);
    request.token_sha256.resize(32);
    request.incarnation.set_pid(static_cast<int64_t>(connections_));
    request.incarnation.set_nonce(request.token_sha256.substr(0, 16));
    return catalog_->sessions().Attach(request).status();
  }

  absl::Status Resume() {
    const records::Session* session = books().sessions.Find(Any(books().sessions));
    if (session == nullptr) return absl::OkStatus();
    const ResumeRequest request{.connection_id = ++connections_,
                                .session_id = session->session_id(),
                                .incarnation = session->incarnation(),
                                .token_sha256 = session->token_sha256()};
    return catalog_->sessions().Resume(request).status();
  }

  absl::Status LoseConnection() {
    const uint64_t session_id = Any(books().sessions);
    const records::Session* session = books().sessions.Find(session_id);
    const uint64_t connection = session == nullptr || OneIn(5) ? 1 : session->connection_id();
    if (session != nullptr && session->process_exited() && session->connection_id() == connection) {
      witness_.Died(session_id);
    }
    return catalog_->sessions().ConnectionLost(session_id, connection);
  }

  absl::Status Exit() {
    const uint64_t session_id = Any(books().sessions);
    const records::Session* session = books().sessions.Find(session_id);
    if (session != nullptr && session->connection_id() == 0) witness_.Died(session_id);
    return catalog_->sessions().ProcessExited(session_id);
  }

  absl::Status Evict() {
    const uint64_t session_id = Any(books().sessions);
    const records::Session* session = books().sessions.Find(session_id);
    if (session != nullptr && session->process_exited()) witness_.Died(session_id);
    return catalog_->sessions().Evict(session_id, "chance");
  }

  absl::Status Detach() {
    const uint64_t session_id = Any(books().sessions);
    const absl::Status status = catalog_->sessions().Detach(session_id);
    if (status.ok()) witness_.ReleasedAll(session_id);
    return status;
  }

  absl::Status Streams() {
    const std::string name = absl::StrCat("s", Below(4));
    if (OneIn(2)) return catalog_->streams().Delete(name);
    v1::StreamOptions options;
    if (OneIn(3)) options.set_segment_bytes(Below(4) * kTestPage);
    return catalog_->streams().Create(name, options, now_).status();
  }

  std::optional<v1::StreamOptions> CreateOptions() {
    if (OneIn(4)) return std::nullopt;
    return v1::StreamOptions();
  }
  std::string Key() { return OneIn(2) ? "" : absl::StrCat("key", Below(3)); }

  absl::Status ReserveWriter() {
    return catalog_->writers()
        .Reserve(OpenWriter{.session_id = Any(books().sessions),
                            .stream = absl::StrCat("s", Below(3)),
                            .create_options = CreateOptions(),
                            .idempotency_key = Key(),
                            .now_unix_ms = now_})
        .status();
  }

  absl::Status EndWriterReservation() {
    const uint64_t lane_id = Any(books().lanes);
    if (OneIn(4)) return catalog_->writers().Cancel(lane_id);
    return catalog_->writers().Confirm(lane_id, now_).status();
  }

  absl::Status ReserveSegment() {
    const uint64_t lane_id = Any(books().lanes);
    const records::Lane* lane = books().lanes.Find(lane_id);
    const uint64_t session_id =
        lane == nullptr || OneIn(10) ? Any(books().sessions) : lane->session_id();
    return catalog_->writers()
        .ReserveSegment(GrantSegment{.session_id = session_id,
                                     .lane_id = lane_id,
                                     .length = OneIn(2) ? 0 : Below(4 * kTestPage),
                                     .idempotency_key = Key(),
                                     .now_unix_ms = now_})
        .status();
  }

  absl::Status EndSegmentReservation() {
    const uint64_t extent_id = Any(books().extents);
    if (OneIn(4)) return catalog_->writers().CancelSegment(extent_id);
    return catalog_->writers().ConfirmSegment(extent_id, now_).status();
  }

  absl::Status Return() {
    const uint64_t extent_id = Any(books().extents);
    const records::Extent* extent = books().extents.Find(extent_id);
    if (extent == nullptr) return absl::OkStatus();
    if (OneIn(2)) return catalog_->writers().FinishReturn(extent_id);
    const uint64_t file_id = extent->file_id();
    const uint64_t offset = extent->offset();
    const absl::Status status =
        catalog_->writers().BeginReturn(extent->session_id(), extent->owner_id(), offset).status();
    if (status.ok()) witness_.Released(file_id, offset);
    return status;
  }

  absl::Status CloseWriter() {
    const records::Lane* lane = books().lanes.Find(Any(books().lanes));
    if (lane == nullptr) return absl::OkStatus();
    const uint64_t file_id = lane->file_id();
    std::vector<uint64_t> offsets;
    for (const auto& [offset, extent_id] : books().extents.OfFile(file_id)) {
      offsets.push_back(offset);
    }
    const absl::Status status = catalog_->writers().Close(lane->session_id(), lane->lane_id());
    if (!status.ok()) return status;
    for (const uint64_t offset : offsets) witness_.Released(file_id, offset);
    return status;
  }

  absl::Status ReserveReader() {
    return catalog_->readers()
        .Reserve(OpenReader{.session_id = Any(books().sessions),
                            .stream = absl::StrCat("s", Below(3)),
                            .create_options = CreateOptions(),
                            .idempotency_key = Key(),
                            .now_unix_ms = now_})
        .status();
  }

  absl::Status EndReaderReservation() {
    const uint64_t reader_id = Any(books().readers);
    if (OneIn(4)) return catalog_->readers().Cancel(reader_id);
    return catalog_->readers().Confirm(reader_id, now_).status();
  }

  absl::Status CloseReader() {
    const records::Reader* reader = books().readers.Find(Any(books().readers));
    if (reader == nullptr) return absl::OkStatus();
    const uint64_t file_id = reader->file_id();
    std::vector<uint64_t> offsets;
    for (const auto& [offset, extent_id] : books().extents.OfFile(file_id)) {
      offsets.push_back(offset);
    }
    const absl::Status status =
        catalog_->readers().Close(reader->session_id(), reader->reader_id());
    if (!status.ok()) return status;
    for (const uint64_t offset : offsets) witness_.Released(file_id, offset);
    return status;
  }

  absl::Status ReleaseLane() {
    if (books().cursors.rows().empty()) return absl::OkStatus();
    auto it = books().cursors.rows().begin();
    std::advance(it, static_cast<std::ptrdiff_t>(Below(books().cursors.size())));
    const records::Cursor cursor = it->second;
    const records::Extent page = *books().extents.Find(cursor.extent_id());
    const absl::Status status =
        catalog_->readers().ReleaseLane(page.session_id(), cursor.reader_id(), cursor.lane_id());
    if (status.ok()) witness_.Released(page.file_id(), page.offset());
    return status;
  }

  absl::Status OpenSplitOfNewFiles() {
    const uint64_t session_id = Any(books().sessions);
    const uint64_t length = Below(5 * kTestPage);
    BringFile bring{.session_id = session_id,
                    .label = "file",
                    .protection = v1::PROTECTION_READ_WRITE,
                    .size_bytes = length,
                    .now_unix_ms = now_};
    const auto source = catalog_->splits().Bring(bring);
    if (!source.ok()) return source.status();
    const auto target = catalog_->splits().Bring(bring);
    if (!target.ok()) return absl::OkStatus();  // The first one stands.
    (void)catalog_->splits().Open(OpenSplit{.session_id = session_id,
                                            .name = absl::StrCat("job", Below(3)),
                                            .source_file_id = *source,
                                            .target_file_id = *target,
                                            .length = length,
                                            .extent_bytes = kTestPage});
    return absl::OkStatus();
  }

  absl::Status TakeSplit() {
    return catalog_->splits()
        .Take(Any(books().sessions), absl::StrCat("job", Below(3)), now_)
        .status();
  }

  absl::Status CompleteSplit() {
    if (books().split_extents.rows().empty()) return absl::OkStatus();
    auto it = books().split_extents.rows().begin();
    std::advance(it, static_cast<std::ptrdiff_t>(Below(books().split_extents.size())));
    const records::SplitExtent extent = it->second;
    const records::Split split = *books().splits.Find(extent.split_id());
    if (OneIn(6)) return catalog_->splits().Close(split.session_id(), split.split_id());
    const uint64_t epoch = OneIn(6) ? extent.epoch() - 1 : extent.epoch();
    const absl::Status status = catalog_->splits().Complete(
        extent.session_id(), extent.split_id(), extent.index(), epoch, OneIn(8) ? "bad" : "");
    if (status.ok() && extent.state() == records::SplitExtent::STATE_TAKEN) {
      witness_.Released(split.target_file_id(), extent.index() * split.extent_bytes());
    }
    return status;
  }

  // Queries must be able to look at any state.
  absl::Status Look() {
    size_t seen = 0;
    PageRequest page{.size = static_cast<uint32_t>(1 + Below(3))};
    do {
      const auto extents = ListExtents(books(), ExtentFilter{}, page);
      EXPECT_TRUE(extents.ok()) << extents.status();
      seen += extents->items.size();
      page.token = extents->next_token;
    } while (!page.token.empty());
    EXPECT_EQ(seen, books().extents.size());
    EXPECT_EQ(ListAgents(books(), {})->items.size(), books().sessions.size());
    EXPECT_EQ(ListFiles(books(), {})->items.size(), books().files.size());
    EXPECT_EQ(ListStreams(books(), {})->items.size(), books().streams.size());
    EXPECT_LE(LargestHolders(books(), 2).size(), 2u);
    for (int i = 0; i < 3; ++i) (void)DescribeStream(books(), absl::StrCat("s", i));
    return absl::OkStatus();
  }

  std::mt19937_64 random_;
  Limits limits_;
  std::unique_ptr<Catalog> catalog_;
  std::map<std::pair<std::string, std::string>, std::string> stored_;
  std::set<std::string> retired_;
  WriteWitness witness_;
  std::vector<uint64_t> succeeded_ = std::vector<uint64_t>(kSteps);
  uint64_t connections_ = 0;
  int64_t now_ = 0;
};

TEST(CatalogRandom, AnySequenceKeepsTheInvariantsAndSurvivesRestartsAndFailedCommits) {
  if (const char* seed = std::getenv("CAUSEWAY_SEED"); seed != nullptr) {
    RandomRun(std::strtoull(seed, nullptr, 10)).Run(60);
    return;
  }
  const uint64_t first = std::random_device()();
  std::vector<uint64_t> succeeded(RandomRun::kSteps);
  for (uint64_t seed = first; seed < first + 1000; ++seed) {
    RandomRun run(seed);
    run.Run(60);
    ASSERT_FALSE(HasFailure()) << "seed " << seed << "; CAUSEWAY_SEED=" << seed << " replays it";
    for (uint64_t step = 0; step < succeeded.size(); ++step) {
      succeeded[step] += run.succeeded()[step];
    }
  }
  // Chance has to reach every operation often, not be turned away by limits and wrong arguments.
  for (uint64_t step = 0; step < succeeded.size(); ++step) {
    EXPECT_GT(succeeded[step], 100u) << "step " << step;
  }
}

}  // namespace
}  // namespace causeway
