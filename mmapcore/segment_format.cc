#include "mmapcore/segment_format.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/crc32c.h"
#include "mmapcore/page.h"

namespace causeway {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

static_assert(std::is_standard_layout_v<PageHeader>);
static_assert(std::is_trivially_destructible_v<PageHeader>);
static_assert(sizeof(PageHeader) == 128 && alignof(PageHeader) == 8);
static_assert(offsetof(PageHeader, magic) == 0);
static_assert(offsetof(PageHeader, version) == 8);
static_assert(offsetof(PageHeader, checksum) == 12);
static_assert(offsetof(PageHeader, layout_hash) == 16);
static_assert(offsetof(PageHeader, stream_id) == 24);
static_assert(offsetof(PageHeader, lane_id) == 32);
static_assert(offsetof(PageHeader, epoch) == 40);
static_assert(offsetof(PageHeader, reader_id) == 48);
static_assert(offsetof(PageHeader, offset) == 56);
static_assert(offsetof(PageHeader, length) == 64);
static_assert(offsetof(PageHeader, reserved) == 72);

static_assert(std::is_standard_layout_v<SegmentHeader>);
static_assert(std::is_trivially_destructible_v<SegmentHeader>);
static_assert(sizeof(SegmentHeader) == kHeaderPageBytes && alignof(SegmentHeader) == 8);
static_assert(offsetof(SegmentHeader, page) == 0);
static_assert(offsetof(SegmentHeader, base_position) == 128);
static_assert(offsetof(SegmentHeader, generation) == 136);
static_assert(offsetof(SegmentHeader, next_offset) == 144);
static_assert(offsetof(SegmentHeader, next_length) == 152);
static_assert(offsetof(SegmentHeader, base_frame) == 160);
static_assert(offsetof(SegmentHeader, previous_offset) == 168);
static_assert(offsetof(SegmentHeader, reserved) == 176);

static_assert(std::is_standard_layout_v<LanePage>);
static_assert(std::is_trivially_destructible_v<LanePage>);
static_assert(sizeof(LanePage) == kHeaderPageBytes && alignof(LanePage) == 8);
static_assert(offsetof(LanePage, page) == 0);
static_assert(offsetof(LanePage, roster_version) == 128);
static_assert(offsetof(LanePage, oldest_offset) == 256);
static_assert(offsetof(LanePage, newest_offset) == 264);
static_assert(offsetof(LanePage, doorbell) == 384);
static_assert(offsetof(LanePage, writer_parked) == 512);
static_assert(offsetof(LanePage, writer_quiet) == 516);
static_assert(offsetof(LanePage, committed_position) == 640);
static_assert(offsetof(LanePage, stamping) == 768);
static_assert(offsetof(LanePage, reserved) == 772);

static_assert(std::is_standard_layout_v<CursorPage>);
static_assert(std::is_trivially_destructible_v<CursorPage>);
static_assert(sizeof(CursorPage) == kHeaderPageBytes && alignof(CursorPage) == 8);
static_assert(offsetof(CursorPage, page) == 0);
static_assert(offsetof(CursorPage, position) == 128);
static_assert(offsetof(CursorPage, parked) == 256);
static_assert(offsetof(CursorPage, doorbell) == 384);
static_assert(offsetof(CursorPage, reserved) == 388);

// What is loaded twice may differ: a page is looked at word by word, never as a whole.
static_assert(!std::is_copy_constructible_v<PageHeader> && !std::is_copy_assignable_v<PageHeader>);
static_assert(!std::is_copy_constructible_v<SegmentHeader>);
static_assert(!std::is_copy_constructible_v<LanePage>);
static_assert(!std::is_copy_constructible_v<CursorPage>);
static_assert(!std::is_convertible_v<const SharedWord<uint64_t>&, uint64_t>);

static_assert(kMaxFrameBytes <= UINT32_MAX);
static_assert(SegmentBytesForFrame(kTimestampBytes + kMaxFrameBytes) <= kMaxSegmentBytes);
static_assert(FrameMark(FrameKind::kData, 0) != 0);
static_assert(FrameMark(FrameKind::kData, 1) != FrameMark(FrameKind::kData, 2));
static_assert(FrameMark(FrameKind::kData, 1) !=
              FrameMark(FrameKind::kData, 1, FrameFlags::kStamped));

namespace {

// FNV-1a over 64-bit values.
constexpr uint64_t HashLayout(std::initializer_list<uint64_t> values) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const uint64_t value : values) {
    for (int shift = 0; shift < 64; shift += 8) {
      hash = (hash ^ (value >> shift & 0xFF)) * 0x100000001B3;
    }
  }
  return hash;
}

// What the checksum covers, in this order, little-endian: every word of the header but itself.
uint32_t Checksum(const PageIdentity& identity, uint32_t version, uint64_t layout_hash) {
  const std::array<uint64_t, 9> words = {static_cast<uint64_t>(identity.kind),
                                         version,
                                         layout_hash,
                                         identity.lane.stream_id,
                                         identity.lane.lane_id,
                                         identity.lane.epoch,
                                         identity.reader_id,
                                         identity.offset,
                                         identity.length};
  return Crc32c(std::as_bytes(std::span(words)));
}

std::string_view KindName(PageKind kind) {
  switch (kind) {
    case PageKind::kLane:
      return "lane page";
    case PageKind::kSegment:
      return "segment header";
    case PageKind::kCursor:
      return "cursor page";
  }
  return "page";
}

absl::Status WrongField(std::string_view label, const PageIdentity& expected, size_t field,
                        std::string_view name, uint64_t found, uint64_t wanted) {
  return FormatError(label, expected.offset + field,
                     absl::StrFormat("%s: %s is %#x instead of %#x", KindName(expected.kind), name,
                                     found, wanted));
}

}  // namespace

constinit const uint64_t kLayoutHash = HashLayout({
    kFormatVersion,
    kHeaderPageBytes,
    kHeaderWordBytes,
    kFrameAlignment,
    // PageHeader
    sizeof(PageHeader),
    offsetof(PageHeader, version),
    offsetof(PageHeader, checksum),
    offsetof(PageHeader, layout_hash),
    offsetof(PageHeader, stream_id),
    offsetof(PageHeader, lane_id),
    offsetof(PageHeader, epoch),
    offsetof(PageHeader, reader_id),
    offsetof(PageHeader, offset),
    offsetof(PageHeader, length),
    // SegmentHeader
    sizeof(SegmentHeader),
    offsetof(SegmentHeader, base_position),
    offsetof(SegmentHeader, generation),
    offsetof(SegmentHeader, next_offset),
    offsetof(SegmentHeader, next_length),
    offsetof(SegmentHeader, base_frame),
    offsetof(SegmentHeader, previous_offset),
    // LanePage
    sizeof(LanePage),
    offsetof(LanePage, roster_version),
    offsetof(LanePage, oldest_offset),
    offsetof(LanePage, newest_offset),
    offsetof(LanePage, doorbell),
    offsetof(LanePage, writer_parked),
    offsetof(LanePage, writer_quiet),
    offsetof(LanePage, committed_position),
    offsetof(LanePage, stamping),
    // CursorPage
    sizeof(CursorPage),
    offsetof(CursorPage, position),
    offsetof(CursorPage, parked),
    offsetof(CursorPage, doorbell),
});

void PublishPage(const PageIdentity& identity, PageHeader& page) {
  // Relaxed: the release of the version below publishes them all.
  page.magic.StoreRelaxed(static_cast<uint64_t>(identity.kind));
  page.checksum.StoreRelaxed(Checksum(identity, kFormatVersion, kLayoutHash));
  page.layout_hash.StoreRelaxed(kLayoutHash);
  page.stream_id.StoreRelaxed(identity.lane.stream_id);
  page.lane_id.StoreRelaxed(identity.lane.lane_id);
  page.epoch.StoreRelaxed(identity.lane.epoch);
  page.reader_id.StoreRelaxed(identity.reader_id);
  page.offset.StoreRelaxed(identity.offset);
  page.length.StoreRelaxed(identity.length);
  CAUSEWAY_CRASH_POINT("page.publish.fields_stored");
  // Pairs with the acquire in IsPublished() and ReadPage().
  page.version.StoreRelease(kFormatVersion);
  CAUSEWAY_CRASH_POINT("page.publish.version_stored");
}

absl::StatusOr<PageIdentity> ReadPage(const PageHeader& page, const PageIdentity& expected,
                                      std::string_view label) {
  const uint32_t version = page.version.LoadAcquire();
  if (version == 0) {
    return absl::UnavailableError(absl::StrFormat("%s: the %s at offset %u is not published yet",
                                                  label, KindName(expected.kind), expected.offset));
  }
  const uint64_t magic = page.magic.LoadRelaxed();
  if (magic != static_cast<uint64_t>(expected.kind)) {
    return WrongField(label, expected, offsetof(PageHeader, magic), "magic", magic,
                      static_cast<uint64_t>(expected.kind));
  }
  const uint64_t layout_hash = page.layout_hash.LoadRelaxed();
  if (version != kFormatVersion || layout_hash != kLayoutHash) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: the %s at offset %u has format version %u, layout %#x; this build reads version %u, "
        "layout %#x: run writer and readers from matching releases",
        label, KindName(expected.kind), expected.offset, version, layout_hash, kFormatVersion,
        kLayoutHash));
  }
  const PageIdentity found = {.kind = expected.kind,
                              .lane = {.stream_id = page.stream_id.LoadRelaxed(),
                                       .lane_id = page.lane_id.LoadRelaxed(),
                                       .epoch = page.epoch.LoadRelaxed()},
                              .reader_id = page.reader_id.LoadRelaxed(),
                              .offset = page.offset.LoadRelaxed(),
                              .length = page.length.LoadRelaxed()};
  const uint32_t checksum = page.checksum.LoadRelaxed();
  const uint32_t computed = Checksum(found, version, layout_hash);
  if (checksum != computed) {
    return WrongField(label, expected, offsetof(PageHeader, checksum), "checksum", checksum,
                      computed);
  }
  if (found.lane.stream_id != expected.lane.stream_id) {
    return WrongField(label, expected, offsetof(PageHeader, stream_id), "stream id",
                      found.lane.stream_id, expected.lane.stream_id);
  }
  if (found.lane.lane_id != expected.lane.lane_id) {
    return WrongField(label, expected, offsetof(PageHeader, lane_id), "lane id", found.lane.lane_id,
                      expected.lane.lane_id);
  }
  if (found.lane.epoch != expected.lane.epoch) {
    return WrongField(label, expected, offsetof(PageHeader, epoch), "epoch", found.lane.epoch,
                      expected.lane.epoch);
  }
  if (found.reader_id != expected.reader_id) {
    return WrongField(label, expected, offsetof(PageHeader, reader_id), "reader id",
                      found.reader_id, expected.reader_id);
  }
  if (found.offset != expected.offset) {
    return WrongField(label, expected, offsetof(PageHeader, offset), "offset", found.offset,
                      expected.offset);
  }
  if (expected.length != 0 && found.length != expected.length) {
    return WrongField(label, expected, offsetof(PageHeader, length), "length", found.length,
                      expected.length);
  }
  return found;
}

absl::Status CheckSegmentExtent(uint64_t offset, uint64_t length, std::string_view label,
                                uint64_t at) {
  if (!IsPageAligned(offset) || !IsPageAligned(length) || length < kMinSegmentBytes ||
      length > kMaxSegmentBytes || offset > static_cast<uint64_t>(INT64_MAX) - length) {
    return FormatError(
        label, at,
        absl::StrFormat("no segment can be at offset %#x, length %#x (whole pages "
                        "of %u bytes, %u to %u bytes)",
                        offset, length, PageSize(), kMinSegmentBytes, kMaxSegmentBytes));
  }
  return absl::OkStatus();
}

absl::Status FormatError(std::string_view label, uint64_t at, std::string_view what) {
  return absl::DataLossError(absl::StrFormat(
      "%s, offset %u: %s; the writer of this file is broken, or somebody else wrote to it", label,
      at, what));
}

}  // namespace causeway
