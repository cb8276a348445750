#include "tests/hostile/lane_files.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "mmapcore/segment_supply.h"
#include "mmapcore/testing/test_lane.h"
#include "mmapcore/unique_fd.h"

namespace causeway::hostile {
namespace {

constexpr LaneIdentity kIdentity = {.stream_id = 1, .lane_id = 2, .epoch = 3};
constexpr uint64_t kSegmentBytes = 16384;
constexpr uint64_t kSegments = 6;
constexpr uint64_t kCursorPages = 4;
constexpr uint64_t kWord = 8;

// A lane that has all of its segments from the beginning.
class NoSupply : public SegmentSupply {
 public:
  std::optional<MappedSegment> TakeReady() override { return std::nullopt; }
  void RequestAhead(uint64_t) override {}
  void Return(MappedSegment) override {}
};

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "lane_files: %s\n", value.status().ToString().c_str());
    std::abort();
  }
  return *std::move(value);
}

MappedFile Duplicate(const MappedFile& file) {
  return Must(MappedFile::FromFd(UniqueFd(fcntl(file.fd(), F_DUPFD_CLOEXEC, 0)), file.label()));
}

uint64_t ReaderId(Whose whose, size_t page) { return page + (whose == Whose::kHonest ? 1 : 101); }

uint64_t SizeOf(uint64_t number) { return kWord * (1 + number * 40503 % 180); }

uint64_t WordOf(uint64_t number, uint64_t index) {
  return index == 0 ? number : (number + 1) * 0x9E3779B97F4A7C15 ^ index * 0xC2B2AE3D27D4EB4F;
}

}  // namespace

LaneFiles::LaneFiles(const std::string& name)
    : lane_(testing::AnonymousFile(name, kHeaderPageBytes + kSegments * kSegmentBytes)),
      honest_(testing::AnonymousFile(name + " cursors", kCursorPages * kHeaderPageBytes)),
      hostile_(testing::AnonymousFile(name + " cursors", kCursorPages * kHeaderPageBytes)) {
  lane_layout_.segment_bytes = kSegmentBytes;
  lane_layout_.file_bytes = kHeaderPageBytes + kSegments * kSegmentBytes;
  for (uint64_t i = 0; i < kSegments; ++i) {
    lane_layout_.segments.push_back(kHeaderPageBytes + i * kSegmentBytes);
  }
  cursor_layout_.file_bytes = kCursorPages * kHeaderPageBytes;
  for (uint64_t i = 0; i < kCursorPages; ++i) {
    cursor_layout_.cursors.push_back(i * kHeaderPageBytes);
  }
}

absl::StatusOr<std::unique_ptr<LaneWriter>> LaneFiles::Write(SleepWatch* watch) {
  static NoSupply supply;
  std::vector<FileExtent> segments;
  for (const uint64_t offset : lane_layout_.segments) segments.push_back({offset, kSegmentBytes});
  return LaneWriter::Create(Duplicate(lane_), 0, segments,
                            {.identity = kIdentity,
                             .segment_bytes = kSegmentBytes,
                             .capacity_bytes = kSegments * kSegmentBytes,
                             .max_frame_bytes = kMaxFrame,
                             .keep_idle = absl::InfiniteDuration(),
                             .sleep_watch = watch},
                            &supply);
}

absl::StatusOr<std::unique_ptr<LaneReader>> LaneFiles::Read(Whose whose, size_t page,
                                                            uint64_t roster_version,
                                                            ReaderPolicy policy, LaneStart start) {
  return LaneReader::Create(Must(lane_.OpenReadOnly()), 0, cursors(whose), page * kHeaderPageBytes,
                            {.identity = kIdentity,
                             .reader_id = ReaderId(whose, page),
                             .roster_version = roster_version,
                             .max_frame_bytes = kMaxFrame,
                             .policy = policy,
                             .start = start,
                             // Little, so that segments are mapped anew all the time.
                             .max_mapped_bytes = 3 * kSegmentBytes});
}

absl::StatusOr<std::shared_ptr<ReaderCursor>> LaneFiles::Cursor(Whose whose, size_t page,
                                                                ReaderPolicy policy) {
  const MappedFile file = Must(cursors(whose).OpenReadOnly());
  return ReaderCursor::Map(file, page * kHeaderPageBytes, kIdentity, ReaderId(whose, page), policy);
}

void LaneFiles::Wipe(Whose whose, size_t page) {
  const int failed = fallocate(cursors(whose).fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               static_cast<off_t>(page * kHeaderPageBytes), kHeaderPageBytes);
  if (failed != 0) std::abort();
}

Refusal WriteNumbered(LaneWriter& writer, uint64_t number, Deadline deadline) {
  const Claim claim = writer.ClaimUntil(SizeOf(number), deadline);
  if (!claim) return claim.refusal;
  for (uint64_t i = 0; i < claim.length / kWord; ++i) {
    const uint64_t word = WordOf(number, i);
    std::memcpy(claim.data + i * kWord, &word, kWord);
  }
  return writer.Commit(claim.length) ? Refusal::kNone : Refusal::kDamaged;
}

std::optional<uint64_t> NumberOf(const FrameView& frame) {
  // Whatever the length, every byte is looked at: one that is not there ends the process.
  bool whole = frame.size >= kWord && frame.size % kWord == 0;
  uint64_t number = 0;
  for (uint64_t i = 0; i < frame.size / kWord; ++i) {
    // Atomic, since somebody may store to it meanwhile.
    const uint64_t word = HeaderWordAt(frame.data, i * kWord).LoadRelaxed();
    if (i == 0) number = word;
    if (word != WordOf(number, i)) whole = false;
  }
  uint8_t sum = 0;
  for (uint64_t at = frame.size / kWord * kWord; at < frame.size; ++at) {
    sum ^= static_cast<uint8_t>(*const_cast<const volatile std::byte*>(frame.data + at));
  }
  static_cast<void>(sum);
  if (!whole || frame.size != SizeOf(number)) return std::nullopt;
  return number;
}

}  // namespace causeway::hostile
