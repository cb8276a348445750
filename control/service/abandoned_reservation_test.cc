// An agent that dies between the reservation of what it asked for and the confirmation, while the
// coordinator does the I/O for it.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "control/files/file_store.h"
#include "control/service/calls.h"
#include "control/service/obligations.h"
#include "control/service/reader_calls.h"
#include "control/service/writer_calls.h"
#include "control/state/catalog.h"
#include "control/state/state_thread.h"
#include "control/store/memory_store.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/scratch_directory.h"

namespace causeway {
namespace {

constexpr uint64_t kConnection = 1;

// Removes the files of the dead at once.
class RetiringSink : public EffectSink {
 public:
  explicit RetiringSink(FileStore* files) : files_(*files) {}

  void Deliver(const Effect& effect) override {
    const auto* const retire = std::get_if<RetireFile>(&effect);
    if (retire == nullptr) return;
    files_.Forget(retire->file_id);
    const absl::Status removed = files_.Remove(retire->name, retire->durability, retire->truncate);
    EXPECT_TRUE(removed.ok()) << removed;
  }

 private:
  FileStore& files_;
};

// Ends a session after the next commit: whatever that commit stored is answered first, and the end
// stands in the queue before anything that the answered call does next.
class DeadlyStore : public Store {
 public:
  DeadlyStore() : store_(*MemoryStore::Open(std::make_shared<MemoryDisk>())) {}

  void KillAfterNextCommit(StateThread* state, uint64_t session_id,
                           uint64_t connection = kConnection) {
    state_ = state;
    session_id_ = session_id;
    connection_ = connection;
  }

  absl::StatusOr<std::vector<Record>> Load() override { return store_->Load(); }
  absl::Status Commit(absl::Span<const Write> writes) override {
    if (StateThread* const state = std::exchange(state_, nullptr); state != nullptr) {
      state->Post(
          [id = session_id_, connection = connection_](Catalog& catalog) {
            absl::Status lost = catalog.sessions().ConnectionLost(id, connection);
            return lost.ok() ? catalog.sessions().ProcessExited(id) : lost;
          },
          [](const absl::Status& done) { EXPECT_TRUE(done.ok()) << done; });
    }
    return store_->Commit(writes);
  }
  absl::Status Close() override { return store_->Close(); }

 private:
  const std::unique_ptr<Store> store_;
  // Set while the state thread has nothing to do, read on it.
  StateThread* state_ = nullptr;
  uint64_t session_id_ = 0;
  uint64_t connection_ = 0;
};

// Does its I/O after everything that stands in the state thread's queue.
class SlowFiles : public FileStore {
 public:
  using FileStore::FileStore;

  void WaitFor(StateThread* state) { state_ = state; }

  absl::Status Back(const FileRange& range) override {
    const absl::Status idle = state_->Run([](Catalog&) { return absl::OkStatus(); });
    EXPECT_TRUE(idle.ok()) << idle;
    return FileStore::Back(range);
  }

 private:
  StateThread* state_ = nullptr;
};

class AbandonedReservationTest : public ::testing::Test {
 protected:
  AbandonedReservationTest()
      : files_(directory_.path(), directory_.path()),
        sink_(&files_),
        state_(*Catalog::FromRecords({}, Limits{}), &store_, &sink_),
        obligations_(&state_, [] {}),
        parts_{.state = &state_, .files = &files_, .obligations = &obligations_},
        writers_(parts_),
        readers_(parts_) {
    files_.WaitFor(&state_);
    session_ = Attach(kConnection, token_);
  }

  uint64_t Attach(uint64_t connection, const std::string& token) {
    AttachRequest request{.connection_id = connection, .agent_name = "agent"};
    request.token_sha256 = token;
    request.incarnation.set_nonce(token.substr(0, 16));
    return state_.Run([&](Catalog& catalog) { return catalog.sessions().Attach(request); })
        .value()
        .session_id;
  }

  absl::StatusOr<v1::OpenWriterResponse> OpenWriter() {
    v1::OpenWriterRequest request;
    request.set_stream("s");
    request.set_create_if_missing(true);
    return writers_.Open(token_, request);
  }

  absl::StatusOr<v1::OpenReaderResponse> OpenReader(const std::string& token) {
    v1::OpenReaderRequest request;
    request.set_stream("s");
    request.set_create_if_missing(true);
    return readers_.Open(token, request);
  }

  void ExpectNothingLeft() {
    const absl::Status looked = state_.Run([](Catalog& catalog) {
      const Books& books = catalog.books();
      EXPECT_EQ(books.sessions.size(), 0u);
      EXPECT_EQ(books.lanes.size(), 0);
      EXPECT_EQ(books.readers.size(), 0);
      EXPECT_EQ(books.files.size(), 0);
      EXPECT_EQ(books.extents.size(), 0);
      return absl::OkStatus();
    });
    EXPECT_TRUE(looked.ok()) << looked;
  }

  testing::ScratchDirectory directory_;
  SlowFiles files_;
  DeadlyStore store_;
  RetiringSink sink_;
  StateThread state_;
  Obligations obligations_;
  CallParts parts_;
  WriterCalls writers_;
  ReaderCalls readers_;
  const std::string token_ = std::string(32, 't');
  uint64_t session_ = 0;
};

TEST_F(AbandonedReservationTest, LaneGoes) {
  store_.KillAfterNextCommit(&state_, session_);
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenWriter().status()));
  ExpectNothingLeft();
}

TEST_F(AbandonedReservationTest, ReaderGoes) {
  store_.KillAfterNextCommit(&state_, session_);
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenReader(token_).status()));
  ExpectNothingLeft();
}

TEST_F(AbandonedReservationTest, WriterIsOpenedAlthoughAReaderDiesMeanwhile) {
  const std::string other_token(32, 'o');
  const uint64_t other = Attach(kConnection + 1, other_token);
  ASSERT_TRUE(OpenReader(other_token).ok());
  store_.KillAfterNextCommit(&state_, other, kConnection + 1);
  const absl::StatusOr<v1::OpenWriterResponse> opened = OpenWriter();
  EXPECT_TRUE(opened.ok()) << opened.status();
}

TEST_F(AbandonedReservationTest, SegmentGoes) {
  const absl::StatusOr<v1::OpenWriterResponse> opened = OpenWriter();
  ASSERT_TRUE(opened.ok()) << opened.status();
  store_.KillAfterNextCommit(&state_, session_);
  v1::GrantSegmentRequest request;
  request.set_lane_id(opened->lane_id());
  EXPECT_TRUE(absl::IsNotFound(writers_.Grant(token_, request).status()));
  ExpectNothingLeft();
}

}  // namespace
}  // namespace causeway
