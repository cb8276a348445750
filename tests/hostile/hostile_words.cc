#include "tests/hostile/hostile_words.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/spin_pause.h"

namespace causeway::hostile {
namespace {

using Place = Target::Place;

#define WORD(place, type, field) \
  Target { #type "." #field, place, offsetof(type, field), sizeof(type::field) }
#define HEADER_WORD(place, type, field) \
  Target { #type ".page." #field, place, offsetof(PageHeader, field), sizeof(PageHeader::field) }
#define HEADER_WORDS(place, type)                                                \
  HEADER_WORD(place, type, magic), HEADER_WORD(place, type, version),            \
      HEADER_WORD(place, type, checksum), HEADER_WORD(place, type, layout_hash), \
      HEADER_WORD(place, type, stream_id), HEADER_WORD(place, type, lane_id),    \
      HEADER_WORD(place, type, epoch), HEADER_WORD(place, type, reader_id),      \
      HEADER_WORD(place, type, offset), HEADER_WORD(place, type, length)

const Target kWriterTargets[] = {
    HEADER_WORDS(Place::kLanePage, LanePage),
    WORD(Place::kLanePage, LanePage, roster_version),
    WORD(Place::kLanePage, LanePage, oldest_offset),
    WORD(Place::kLanePage, LanePage, newest_offset),
    WORD(Place::kLanePage, LanePage, doorbell),
    WORD(Place::kLanePage, LanePage, writer_parked),
    WORD(Place::kLanePage, LanePage, writer_quiet),
    WORD(Place::kLanePage, LanePage, committed_position),
    HEADER_WORDS(Place::kSegmentHeader, SegmentHeader),
    WORD(Place::kSegmentHeader, SegmentHeader, base_position),
    WORD(Place::kSegmentHeader, SegmentHeader, generation),
    WORD(Place::kSegmentHeader, SegmentHeader, next_offset),
    WORD(Place::kSegmentHeader, SegmentHeader, next_length),
    WORD(Place::kSegmentHeader, SegmentHeader, base_frame),
    WORD(Place::kSegmentHeader, SegmentHeader, previous_offset),
    {"frame header words", Place::kFrameHeader, 0, 8},
    {"payloads", Place::kPayload, 0, 8},
    {"every word of the lane file", Place::kEverything, 0, 8},
    {"lane file cut short", Place::kTruncation, 0, 0},
    {"holes in the lane file", Place::kHoles, 0, 0},
};

const Target kReaderTargets[] = {
    HEADER_WORDS(Place::kCursorPage, CursorPage),
    WORD(Place::kCursorPage, CursorPage, position),
    WORD(Place::kCursorPage, CursorPage, parked),
    WORD(Place::kCursorPage, CursorPage, doorbell),
    {"every word of the cursor file", Place::kEverything, 0, 8},
    {"cursor file cut short", Place::kTruncation, 0, 0},
    {"holes in the cursor file", Place::kHoles, 0, 0},
};

#undef WORD
#undef HEADER_WORD
#undef HEADER_WORDS

constexpr uint64_t kMostPauses = 64;

}  // namespace

std::span<const Target> WriterTargets() { return kWriterTargets; }
std::span<const Target> ReaderTargets() { return kReaderTargets; }

Scribbler::Scribbler(MappedFile& file, const Layout& layout, const Target& target, uint64_t seed)
    : file_(file), layout_(layout), target_(target), random_(seed) {
  // Its own cuts would end it.
  if (target.bytes == 0) return;
  absl::StatusOr<Mapping> mapping =
      Mapping::Map(file, 0, layout.file_bytes, {.protection = Protection::kReadWrite});
  if (!mapping.ok()) {
    std::fprintf(stderr, "scribbler: %s\n", mapping.status().ToString().c_str());
    std::abort();
  }
  mapping_ = *std::move(mapping);
}

void Scribbler::Scribble() {
  if (target_.bytes == 0) {
    ChangePages();
  } else {
    StoreTo(PickWord(), target_.bytes);
  }
  for (uint64_t pauses = random_.Below(kMostPauses); pauses > 0; --pauses) SpinPause();
}

void Scribbler::StoreTo(size_t offset, size_t bytes) {
  // Words of 32 bits in pairs, the neighbour as it is: nobody else stores to these pages but this
  // process, and its other words are hostile at all times.
  const size_t shift = offset % 8 * 8;
  SharedWord<uint64_t>& word = HeaderWordAt(mapping_.mutable_data(), offset / 8 * 8);
  const uint64_t present = word.LoadRelaxed();
  const uint64_t mask = (bytes == 8 ? ~uint64_t{0} : uint64_t{0xFFFFFFFF}) << shift;
  const uint64_t value = PickValue((present & mask) >> shift);
  word.StoreRelease((present & ~mask) | ((value << shift) & mask));
  if (random_.Below(2) == 0) return;
  for (uint64_t pauses = random_.Below(kMostPauses); pauses > 0; --pauses) SpinPause();
  word.StoreRelease(present);
}

size_t Scribbler::PickWord() {
  switch (target_.place) {
    case Place::kLanePage:
      return target_.offset;
    case Place::kSegmentHeader:
      return random_.Pick(layout_.segments) + target_.offset;
    case Place::kCursorPage:
      return random_.Pick(layout_.cursors) + target_.offset;
    case Place::kFrameHeader:
    case Place::kPayload: {
      const uint64_t frames = layout_.segment_bytes - kHeaderPageBytes;
      // The first words of a segment are header words more often than others.
      const uint64_t among = random_.Below(2) == 0 ? 256 : frames;
      return random_.Pick(layout_.segments) + kHeaderPageBytes + random_.Below(among / 8) * 8;
    }
    default:
      return random_.Below(layout_.file_bytes / 8) * 8;
  }
}

uint64_t Scribbler::PickValue(uint64_t present) {
  const uint64_t generation = random_.Below(64);
  switch (random_.Below(12)) {
    case 0:
      return 0;
    case 1:
      return ~uint64_t{0} - random_.Below(9);
    case 2:
      return present + 1 + random_.Below(16);
    case 3:
      return present - 1 - random_.Below(16);
    case 4:
      return present ^ (uint64_t{1} << random_.Below(64));
    case 5:
      // Offsets and lengths that are whole pages, inside the file and a little beyond.
      return random_.Below(layout_.file_bytes / kHeaderPageBytes + 4) * kHeaderPageBytes;
    case 6:
      return (uint64_t{1} << random_.Below(64)) - random_.Below(2);
    case 7:
      return static_cast<uint64_t>(INT64_MAX) - random_.Below(4) * kHeaderPageBytes;
    case 8:
      return EncodeHeaderWord(static_cast<uint32_t>(random_.Below(2 * layout_.file_bytes)),
                              FrameMark(FrameKind::kData, generation));
    case 9:
      return EncodeHeaderWord(static_cast<uint32_t>(random_.Next() >> 32),
                              static_cast<uint32_t>(present >> 32));
    case 10:
      return EncodeHeaderWord(
          0, FrameMark(random_.Below(2) == 0 ? FrameKind::kEnd : FrameKind::kClose, generation));
    default:
      return random_.Next();
  }
}

void Scribbler::ChangePages() {
  const auto bytes = static_cast<off_t>(layout_.file_bytes);
  const off_t at = static_cast<off_t>(random_.Below(layout_.file_bytes));
  // What fails changes nothing, which is no matter here.
  if (target_.place == Place::kTruncation) {
    static_cast<void>(ftruncate(file_.fd(), random_.Below(4) == 0 ? 0 : at) == 0);
    for (uint64_t pauses = random_.Below(4096); pauses > 0; --pauses) SpinPause();
    static_cast<void>(ftruncate(file_.fd(), bytes) == 0);
  } else {
    static_cast<void>(fallocate(file_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                at / 4096 * 4096, bytes) == 0);
  }
}

}  // namespace causeway::hostile
