// Any bytes in place of a lane's: the reader returns frames that lie within the file, in growing
// order, or stops with a status; it neither crashes nor goes on for ever.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/mapping.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway {
namespace {

using ::causeway::testing::PatternFrame;
using ::causeway::testing::TestLane;

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

void Fuzz(const uint8_t* data, size_t size) {
  TestLane lane;
  for (uint64_t i = 0; i < 6; ++i) lane.writer().TryWrite(PatternFrame(i, 900));
  std::unique_ptr<LaneReader> reader = lane.Join(1);
  absl::StatusOr<Mapping> window =
      Mapping::Map(lane.lane_file(), 0, kFileBytes, {.protection = Protection::kReadWrite});
  if (!window.ok()) std::abort();
  std::byte* const bytes = window->mutable_data();
  uint64_t last_position = 0;
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
    const FrameView frame = reader->TryNext();
    if (!frame) {
      if (frame.state == ReadState::kEnded || frame.state == ReadState::kDamaged) break;
      continue;
    }
    if (frame.position <= last_position) std::abort();
    last_position = frame.position;
    // Under AddressSanitizer a byte outside of a mapping is a crash.
    uint64_t sum = 0;
    for (const std::byte byte : frame.payload()) sum += static_cast<uint64_t>(byte);
    if (sum == ~uint64_t{0}) std::abort();
  }
  if (reader->TryNext()) std::abort();
}

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::Fuzz(data, size);
  return 0;
}
