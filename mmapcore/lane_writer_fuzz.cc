// Whatever the writer of a lane is asked to do, and whatever hostile readers store to their cursor
// pages, a reader that keeps to the protocol reads what a naive model says: the frames that were
// committed, each once, whole, in order; and the writer finds room again once they are read.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

using ::causeway::testing::FileSupply;
using ::causeway::testing::IsPatternFrame;
using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;

constexpr uint64_t kHonest = 1;
constexpr uint64_t kHostileReaders = 3;
constexpr int kMaxSteps = 300;
// A claim that is refused asks the supply, and the next one gets what came; where a large segment
// is in the way of another, once more. Strange offers are given back 16 at a time.
constexpr int kClaimsUntilRoom = 5;
constexpr int kMostOffers = kMaxSteps / 16;

[[noreturn]] void Fail(const char* what, uint64_t number) {
  std::cerr << what << " " << number << "\n";
  std::abort();
}

class Model {
 public:
  explicit Model(FuzzInput& input) : input_(input) {
    lane_.writer();
    honest_ = lane_.Join(kHonest);
  }

  void Run() {
    for (int step = 0; step < kMaxSteps && !input_.empty(); ++step) Step();
    for (auto& [id, page] : pages_) lane_.Dismiss(id);
    pages_.clear();
    ExpectRoom();
    lane_.writer().Close();
    Publish();
    Read(~uint64_t{0});
    if (honest_->TryNext().state != ReadState::kEnded) Fail("no end after frame", next_to_read_);
    if (lane_.writer().TryClaim(1).refusal != Refusal::kClosed) Fail("claimed after close", 0);
  }

 private:
  struct Frame {
    uint64_t number;
    uint64_t length;
  };

  void Step() {
    switch (input_.Below<uint8_t>(16)) {
      case 0:
      case 1:
      case 2:
        return Commit(TakeLength());
      case 3:
      case 4:
        return Stage(TakeLength());
      case 5:
        if (!lane_.writer().CommitStaged()) Fail("staged frames are lost before", written_);
        return Publish();
      case 6:
        Claimed(TakeLength());
        return lane_.writer().Abandon();
      case 7:
      case 8:
        return Read(input_.Below<uint8_t>(40));
      case 9:
        return Invite(2 + input_.Below<uint8_t>(kHostileReaders));
      case 10:
        return Dismiss(2 + input_.Below<uint8_t>(kHostileReaders));
      case 11:
        return lane_.supply().set_mode(static_cast<FileSupply::Mode>(input_.Below<uint8_t>(3)));
      case 12:
        // What no coordinator should grant: no pages, or beyond the file.
        return lane_.supply().Offer(
            {.extent = {.offset = (uint64_t{1} << 40) + input_.Take<uint16_t>(),
                        .length = input_.Take<uint64_t>()}});
      default:
        return Scribble();
    }
  }

  uint64_t TakeLength() {
    const uint16_t length = input_.Take<uint16_t>();
    // Mostly short; some need a segment of their own, some are too large.
    return length % 8 == 0 ? length / 2 : length % 1100;
  }

  // A claim of this length, and what follows for the staged frames.
  Claim Claimed(uint64_t length) {
    const uint64_t rolls = lane_.writer().counters().rolls;
    const Claim claim = lane_.writer().TryClaim(length);
    const bool too_large = length > lane_.options().max_frame_bytes;
    if ((claim.refusal == Refusal::kTooLarge) != too_large) Fail("wrong refusal of length", length);
    if (!claim && !too_large && claim.refusal != Refusal::kFull) Fail("refused", length);
    if (claim && claim.length != length) Fail("a claim of another length than", length);
    if (!claim || lane_.writer().counters().rolls != rolls) Publish();
    return claim;
  }

  bool FillIn(const Claim& claim) {
    if (!claim) return false;
    const auto bytes = PatternFrame(written_, claim.length);
    std::copy(bytes.begin(), bytes.end(), claim.data);
    return true;
  }

  void Commit(uint64_t length) {
    if (!FillIn(Claimed(length))) return;
    if (lane_.writer().Commit(length + 1)) Fail("committed more than was claimed, frame", written_);
    const uint64_t shorter = length - std::min<uint64_t>(length, input_.Below<uint8_t>(3));
    if (!lane_.writer().Commit(shorter)) Fail("cannot commit frame", written_);
    if (lane_.writer().Commit(0)) Fail("committed twice", written_);
    (staged_.empty() ? visible_ : staged_).push_back({written_++, shorter});
  }

  void Stage(uint64_t length) {
    if (!FillIn(Claimed(length))) return;
    if (!lane_.writer().Stage(length)) Fail("cannot stage frame", written_);
    staged_.push_back({written_++, length});
  }

  void Publish() {
    visible_.insert(visible_.end(), staged_.begin(), staged_.end());
    staged_.clear();
  }

  void Read(uint64_t count) {
    for (; count > 0; --count) {
      const FrameView frame = honest_->TryNext();
      if (!frame) {
        if (!visible_.empty()) Fail("cannot read frame", visible_.front().number);
        return;
      }
      if (visible_.empty()) Fail("a frame that was not committed, after", next_to_read_);
      const auto [number, length] = visible_.front();
      visible_.pop_front();
      if (frame.size != length || !IsPatternFrame(number, frame.payload())) {
        Fail("wrong bytes in frame", number);
      }
      next_to_read_ = number + 1;
    }
  }

  // Once everything is read and nobody hostile holds the lane, there is room for any frame.
  void ExpectRoom() {
    lane_.supply().set_mode(FileSupply::Mode::kServe);
    if (!lane_.writer().CommitStaged()) Fail("staged frames are lost before", written_);
    Publish();
    const uint64_t largest = lane_.options().max_frame_bytes;
    for (int claims = kClaimsUntilRoom + kMostOffers; claims > 0; --claims) {
      Read(~uint64_t{0});
      honest_->Release();
      if (!Claimed(largest)) continue;
      lane_.writer().Abandon();
      return;
    }
    Fail("no room for the largest frame, after", written_);
  }

  void Invite(uint64_t id) {
    if (pages_.contains(id)) return;
    readers_[id] = lane_.Join(id, {.policy = static_cast<ReaderPolicy>(input_.Below<uint8_t>(3))});
    absl::StatusOr<Mapping> page =
        Mapping::Map(lane_.cursor_file(id), kHeaderPageBytes, kHeaderPageBytes,
                     {.protection = Protection::kReadWrite});
    if (!page.ok()) Fail("cannot map the cursor page of", id);
    pages_[id] = *std::move(page);
  }

  void Dismiss(uint64_t id) {
    if (pages_.erase(id) > 0) lane_.Dismiss(id);
  }

  // Any word of a hostile reader's page: mostly one that the writer looks at.
  void Scribble() {
    if (pages_.empty()) return;
    auto page = pages_.begin();
    std::advance(page, input_.Below<uint8_t>(static_cast<uint8_t>(pages_.size())));
    constexpr uint64_t kLookedAt[] = {offsetof(CursorPage, position),
                                      offsetof(CursorPage, position), offsetof(CursorPage, parked),
                                      offsetof(CursorPage, doorbell)};
    const uint8_t which = input_.Take<uint8_t>();
    const uint64_t offset = which < 64 ? which % 10 * 8 : kLookedAt[which % 4];
    uint64_t value = input_.Take<uint64_t>();
    if (which % 16 == 1) value = lane_.writer().head() + value % 65536 - 32768;
    HeaderWordAt(page->second.mutable_data(), offset).StoreRelease(value);
  }

  FuzzInput& input_;
  TestLane lane_;
  std::unique_ptr<LaneReader> honest_;
  std::map<uint64_t, std::unique_ptr<LaneReader>> readers_;  // which do nothing
  std::map<uint64_t, Mapping> pages_;                        // of readers in the roster
  std::deque<Frame> visible_;                                // and not read
  std::deque<Frame> staged_;
  uint64_t written_ = 0;
  uint64_t next_to_read_ = 0;
};

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::Model(input).Run();
  return 0;
}
