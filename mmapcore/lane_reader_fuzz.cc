// Any bytes in place of a lane's: the reader, of any policy and wherever it begins, returns frames
// that lie within the file, in growing order, or stops with a status; it neither crashes nor goes
// on for ever.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;
using ::causeway::testing::TestReaderOptions;

constexpr uint64_t kFileBytes = 4096 + 2 * 8192;

// A change of one word: the input is a list of these.
struct Change {
  uint16_t place;
  uint8_t kind;
  uint8_t detail;
  uint64_t value;
};

// The word that it changes: mostly one that the reader looks at.
uint64_t Offset(const Change& change) {
  constexpr uint64_t kSegment = 4096;
  switch (change.kind >> 4 & 3) {
    case 0:
      return change.place % (kFileBytes / 8) * 8;
    case 1:
      return change.place % 88 * 8;  // lane page
    case 2:
      return kSegment + change.place % 2 * 8192 + change.detail % 20 * 8;  // segment headers
    default:
      return kSegment + change.place % 2 * 8192 + 4096 + change.detail % 64 * 8;  // first frames
  }
}

// The value: as it is, or one of the shapes that get past the first checks.
uint64_t Value(const Change& change) {
  const uint64_t generation = change.detail % 4;
  switch (change.kind & 7) {
    case 0:
      return EncodeHeaderWord(static_cast<uint32_t>(change.value),
                              FrameMark(FrameKind::kData, generation));
    case 1:
      return EncodeHeaderWord(0, FrameMark(FrameKind::kEnd, generation));
    case 2:
      return EncodeHeaderWord(0, FrameMark(FrameKind::kClose, generation));
    case 3:
      return change.value % 16 * 4096;
    default:
      return change.value;
  }
}

// The first byte of the input says how the lane is read.
TestReaderOptions Reading(uint8_t choice) {
  return {.policy = static_cast<ReaderPolicy>(choice % 3),
          .start = {.at = static_cast<LaneStart::At>(choice / 3 % 3),
                    .position = kHeaderPageBytes + choice % 7 * 1000}};
}

bool IsFinal(ReadState state) {
  return state == ReadState::kEnded || state == ReadState::kDamaged ||
         state == ReadState::kOutOfRange;
}

void Fuzz(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const uint8_t choice = *data++;
  --size;
  TestLane lane;
  for (uint64_t i = 0; i < 6; ++i) lane.writer().TryWrite(PatternFrame(i, 900));
  std::unique_ptr<LaneReader> reader = lane.Join(1, Reading(choice));
  absl::StatusOr<Mapping> window =
      Mapping::Map(lane.lane_file(), 0, kFileBytes, {.protection = Protection::kReadWrite});
  if (!window.ok()) std::abort();
  std::byte* const bytes = window->mutable_data();
  uint64_t last_position = 0;
  uint64_t looks = 0;
  while (true) {
    if (size >= sizeof(Change)) {
      Change change;
      std::memcpy(&change, data, sizeof(change));
      data += sizeof(change);
      size -= sizeof(change);
      HeaderWordAt(bytes, Offset(change)).StoreRelaxed(Value(change));
      // Several changes between two looks.
      if ((change.kind & 0x80) != 0) continue;
    } else {
      reader->SetWriterGone(LaneEnd::kWriterDied);
      size = 0;
    }
    // Nothing changes any more: a few frames, gaps and segments, then the end.
    if (size == 0 && ++looks > 10'000) std::abort();
    uint64_t skipped = 0;
    const bool latest = (choice & 0x80) != 0;
    const FrameView frame = latest ? reader->TryLatest(skipped) : reader->TryNext();
    if (!frame) {
      if (IsFinal(frame.state)) break;
      if (frame.state == ReadState::kGap && reader->gap().begin > reader->gap().end) std::abort();
      continue;
    }
    if (frame.position <= last_position) std::abort();
    last_position = frame.position;
    // Under AddressSanitizer a byte outside of a mapping is a crash.
    uint64_t sum = 0;
    for (const std::byte byte : frame.payload()) sum += static_cast<uint64_t>(byte);
    if (sum == ~uint64_t{0}) std::abort();
    if ((choice & 0x40) != 0) reader->Release();
    reader->StillValid(frame);
  }
  if (reader->TryNext()) std::abort();
}

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::Fuzz(data, size);
  return 0;
}
