// The bytes of a lane: what stands where in a lane file and in a cursor file, who writes it, and
// how to read it without trusting it. docs/format.md shows the same as tables, docs/protocol.md the
// order of the accesses and what a death between two of them leaves behind.
//
// Stability
// ---------
// Processes built at different times map the same file, so this layout is a contract. Every page
// header carries a version and a hash of the layout; who finds another one refuses the page. Any
// change of a size, an offset or a meaning below is a new kFormatVersion.
//
// Glossary
// --------
// lane file    One inode per lane, written by exactly one process, the lane's writer. Holds a lane
//              page and segments. Readers map it read-only.
// cursor file  One inode per reader, written by exactly that reader. Holds one cursor page for each
//              lane that the reader follows. Writers of those lanes map it read-only.
// position     Bytes of lane from its start, 64 bits, headers included. A segment covers
//              [base, base + size), and its successor begins at base + size whatever room was left,
//              so a position names one byte of one segment for ever.
//
// Diagram
// -------
//   lane file                                              cursor file of reader 7
//   +-----------+----------------+----------------+-----   +-------------+-------------+----
//   | lane page | segment        | segment        | ...    | cursor page | cursor page | ...
//   | 4 KiB     | any page-aligned extents, any order      | of lane 1   | of lane 4   |
//   +-----------+----------------+----------------+-----   +-------------+-------------+----
//
//   segment = header page, then frames without gaps, each 8-byte aligned:
//   +--------------+--------+---------+-----+--------+---------+-----+-----+------------------+
//   | header 4 KiB | word A | payload | pad | word B | payload | pad | END | never read       |
//   +--------------+--------+---------+-----+--------+---------+-----+-----+------------------+
//
// A frame's life, with the actor on each arrow
// --------------------------------------------
//                 writer: release-stores          reader: release-stores a position
//                 the header word                 behind the frame (in its cursor page)
//   [word is 0] ---------------------> [committed] ---------------------> [read by one]
//        ^                                                                      |
//        |          writer: takes the segment again, once the cursors           |
//        +----------of all readers that hold lie behind its end <---------------+
//
// A reader that does not hold (policies drop and evict) may be *lapped*: the writer takes a segment
// again in which it still reads. The segment's generation, which changes before any other byte of
// it does, tells.
//
// Before the writer stores a header word it zeroes the word that will follow it, so a reader that
// has seen a frame finds zero behind it until the next commit: nothing left over from an earlier
// use of the segment is ever looked at. Both sides touch only the cache lines of the frame itself:
// there is no shared tail, no counter, no lock.
//
// Trade-offs
// ----------
// - Payloads are in place and of any length up to 1 GiB; the price is that a frame never spans two
//   segments, and a frame larger than a segment needs a segment of its own.
// - Positions skip what is left at a segment's end. That wastes no storage, and makes
//   "every cursor has left this segment" one comparison.
// - Each hot word has 128 bytes for itself, not 64: processors prefetch lines in pairs.
//
// Rules for every struct below
// ----------------------------
// Little-endian, fixed-width words, all of them SharedWord: no pointers, no bool, no bit-fields.
// All-zero means empty. Each word has one writer for its whole life. Offsets count from the start
// of the lane file. Whoever reads loads a word once, validates the local copy, and never trusts it:
// wrong bytes give DATA_LOSS with the file and the offset. Nobody copies a page: it does not
// compile.

#ifndef CAUSEWAY_MMAPCORE_SEGMENT_FORMAT_H_
#define CAUSEWAY_MMAPCORE_SEGMENT_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/shared_word.h"

namespace causeway {

// ---------------------------------------------------------------------------------------------
// Sizes

inline constexpr uint32_t kFormatVersion = 2;

// Lane page, cursor page and segment header are as long as this on every machine; extents are
// multiples of the machine's page size.
inline constexpr uint64_t kHeaderPageBytes = 4096;

inline constexpr uint64_t kFrameAlignment = 8;
inline constexpr uint64_t kHeaderWordBytes = 8;
inline constexpr uint64_t kCacheLineBytes = 64;
inline constexpr uint64_t kMaxFrameBytes = uint64_t{1} << 30;
// Between header word and payload, in the frames of streams with timestamps.
inline constexpr uint64_t kTimestampBytes = 8;

// A segment has room for its header page and at least one page of frames.
inline constexpr uint64_t kMinSegmentBytes = 2 * kHeaderPageBytes;
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 31;

// Bytes from one frame's header word to the next one's, if the header word's length is `length`.
// Frames of up to a cache line take a power of two, so that in a run of small frames of one length
// none lies in two lines; longer ones are rounded up to whole words.
constexpr uint64_t FrameSpan(uint64_t length) {
  const uint64_t bytes = kHeaderWordBytes + length;
  if (bytes <= kCacheLineBytes) return std::bit_ceil(bytes);
  return (bytes + kFrameAlignment - 1) & ~(kFrameAlignment - 1);
}

// Bytes that a segment must have, before rounding to pages, to hold one frame of this length. The
// last word of a segment is never payload: there is always room for an END.
constexpr uint64_t SegmentBytesForFrame(uint64_t length) {
  return kHeaderPageBytes + FrameSpan(length) + kHeaderWordBytes;
}

// ---------------------------------------------------------------------------------------------
// The header word: everything about a frame in one atomic store.
//
//   bits  0-31  length: bytes of the payload, and of the timestamp before it; 0 for kEnd and kClose
//   bits 32-39  kind
//   bits 40-47  flags: bit 40 (stamped) if a timestamp stands before the payload; the others are 0
//   bits 48-63  tag of the segment's generation: a word left over from another use of the same
//               bytes does not carry it
//
// The upper half of every data frame of one segment is thus the same number, its *mark*: one 32-bit
// comparison accepts the ordinary case. All frames of a stream are stamped, or none.
//
// The timestamp of a stamped frame is CLOCK_MONOTONIC in nanoseconds, taken by the writer between
// two stores of `stamping` in the lane page, the second of which follows the header word's. In one
// lane it never goes back.

enum class FrameKind : uint8_t {
  kNothing = 0,  // the whole word is zero: not committed yet
  kData = 1,
  kEnd = 2,    // the lane goes on in the segment that this one's header names
  kClose = 3,  // the writer closed the lane
};

enum class FrameFlags : uint8_t { kNone = 0, kStamped = 1 };

// Never zero, since no kind but kNothing, which has no mark, is zero.
constexpr uint32_t FrameMark(FrameKind kind, uint64_t generation,
                             FrameFlags flags = FrameFlags::kNone) {
  // Multiplying by an odd number permutes the low 16 bits: 65536 generations in a row have as many
  // tags, and neighbours differ in many bits.
  const uint32_t tag = static_cast<uint32_t>(generation * 0x9E37u) & 0xFFFFu;
  return tag << 16 | static_cast<uint32_t>(flags) << 8 | static_cast<uint32_t>(kind);
}

constexpr uint64_t EncodeHeaderWord(uint32_t length, uint32_t mark) {
  return uint64_t{mark} << 32 | length;
}

struct HeaderWordFields {
  uint32_t length;
  uint32_t mark;
};

constexpr HeaderWordFields DecodeHeaderWord(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)};
}

// The header word at `offset` (a multiple of 8, inside the segment) of a mapped segment.
inline SharedWord<uint64_t>& HeaderWordAt(std::byte* segment, uint64_t offset) {
  return *reinterpret_cast<SharedWord<uint64_t>*>(segment + offset);
}
inline const SharedWord<uint64_t>& HeaderWordAt(const std::byte* segment, uint64_t offset) {
  return *reinterpret_cast<const SharedWord<uint64_t>*>(segment + offset);
}

// The timestamp of the stamped frame whose header word is at `offset`.
inline SharedWord<uint64_t>& TimestampAt(std::byte* segment, uint64_t offset) {
  return HeaderWordAt(segment, offset + kHeaderWordBytes);
}
inline const SharedWord<uint64_t>& TimestampAt(const std::byte* segment, uint64_t offset) {
  return HeaderWordAt(segment, offset + kHeaderWordBytes);
}

// ---------------------------------------------------------------------------------------------
// The identity that every header page begins with.

enum class PageKind : uint64_t {  // the magic number; reads "cwy.lane" and so on in a hex dump
  kLane = 0x656E616C'2E797763,
  kSegment = 0x6D676573'2E797763,
  kCursor = 0x73727563'2E797763,
};

// Written once, by the owner of the file, before anybody is told of the page: `version` last, with
// release, so whoever acquires a version that is not zero sees the rest. Never changed afterwards.
struct PageHeader {
  SharedWord<uint64_t> magic;        // PageKind
  SharedWord<uint32_t> version;      // kFormatVersion; 0: not published yet
  SharedWord<uint32_t> checksum;     // CRC32C of the other words, see segment_format.cc
  SharedWord<uint64_t> layout_hash;  // kLayoutHash
  SharedWord<uint64_t> stream_id;
  SharedWord<uint64_t> lane_id;
  SharedWord<uint64_t> epoch;      // of the lane's ownership
  SharedWord<uint64_t> reader_id;  // cursor pages; 0 elsewhere
  SharedWord<uint64_t> offset;     // where in its file this page stands
  SharedWord<uint64_t> length;     // of the extent that it heads: a segment's size, or 4096
  uint8_t reserved[56];            // 0
};

// ---------------------------------------------------------------------------------------------
// The three pages.

// Heads a segment. Everything is written by the lane's writer.
struct SegmentHeader {
  PageHeader page;
  // Rewritten at each use of the segment, before the word that leads here (the END of the segment
  // before, oldest_offset or newest_offset) is release-stored; `generation` twice: 0 before
  // anything else of the segment is stored, then the new one, with release, behind the other words.
  // next_*: before this segment's END is.
  SharedWord<uint64_t> base_position;  // of the segment's first byte, the header's
  SharedWord<uint64_t> generation;     // ordinal of this use in the lane: 1, 2, 3, ...; 0: between
  SharedWord<uint64_t> next_offset;    // in the lane file; 0: no successor yet
  SharedWord<uint64_t> next_length;    // stored before next_offset
  SharedWord<uint64_t> base_frame;     // data frames in the lane before this segment
  SharedWord<uint64_t> previous_offset;  // where the segment before was, in the lane file; 0: none
  uint8_t reserved[3920];
};

// Page of a lane; at an offset that the coordinator names. Written by the lane's writer.
struct LanePage {
  PageHeader page;
  // Readers that joined in a roster up to this version are obeyed. Release-stored after the roster
  // was installed; acquired by joining readers.
  SharedWord<uint64_t> roster_version;
  uint8_t pad0[120];
  // The oldest segment that is still retained, where a joining reader begins. Changed when segments
  // are taken for reuse. Acquired by joining readers.
  SharedWord<uint64_t> oldest_offset;
  // The segment that the writer is in: the way to the latest frame. Changed at rolls. Acquired by
  // readers that begin at the latest frame, or skip to it.
  SharedWord<uint64_t> newest_offset;
  uint8_t pad1[112];
  // The word that parked readers wait on. Incremented after a commit that found a reader parked.
  SharedWord<uint32_t> doorbell;
  uint8_t pad2[124];
  // Not zero while the writer waits for cursors to advance. Read by readers when they leave a
  // segment, find nothing to read, or close.
  SharedWord<uint32_t> writer_parked;
  // Not zero while the writer does not look at the readers' parked words: then a reader that parks
  // rings its own doorbell.
  SharedWord<uint32_t> writer_quiet;
  uint8_t pad3[120];
  // For operators: a position up to which frames are committed. Updated at rolls and on request.
  SharedWord<uint64_t> committed_position;
  uint8_t pad4[120];
  // Of a lane with timestamps: 1 while the writer may have taken one whose frame is not committed
  // yet. Read by readers that merge lanes.
  SharedWord<uint32_t> stamping;
  uint8_t reserved[3324];
};

// A reader's page for one lane; zeroed by the coordinator, then written by that reader alone.
struct CursorPage {
  PageHeader page;
  // Everything before it may be reused. 0: hold everything. Release-stored by the reader once it no
  // longer looks at what lies before; acquired by the writer before it reuses a segment.
  SharedWord<uint64_t> position;
  uint8_t pad0[120];
  // Not zero while the reader is parked, or about to be: the number of this sleep, so that the
  // writer rings once per sleep and not once per commit.
  SharedWord<uint32_t> parked;
  uint8_t pad1[124];
  // The word that a writer that waits for room waits on. Incremented by the reader when it has
  // moved on and found writer_parked set.
  SharedWord<uint32_t> doorbell;
  uint8_t reserved[3708];
};

// Mapped bytes as one of the pages above, in place. This and HeaderWordAt() are the only ways from
// the bytes of a mapping to words of it (tools/tidy/tidy.py refuses others): so whatever another
// process may have stored is behind a SharedWord, which cannot be copied or compared in place, but
// only loaded into a local. `bytes`: 8-byte aligned, and at least as many as the page is long.
template <typename Page>
concept SharedPage = std::is_same_v<Page, PageHeader> || std::is_same_v<Page, SegmentHeader> ||
                     std::is_same_v<Page, LanePage> || std::is_same_v<Page, CursorPage>;

template <SharedPage Page>
Page& PageAt(std::byte* bytes) {
  return *reinterpret_cast<Page*>(bytes);
}
template <SharedPage Page>
const Page& PageAt(const std::byte* bytes) {
  return *reinterpret_cast<const Page*>(bytes);
}

// A cursor that holds nothing: what a reader stores when it closes.
inline constexpr uint64_t kPositionPastAll = ~uint64_t{0};

// ---------------------------------------------------------------------------------------------
// Building and validating.

// Whose lane it is. `epoch` tells one ownership from the next.
struct LaneIdentity {
  uint64_t stream_id = 0;
  uint64_t lane_id = 0;
  uint64_t epoch = 0;

  friend bool operator==(const LaneIdentity&, const LaneIdentity&) = default;
};

// A header page's immutable words, as a local copy.
struct PageIdentity {
  PageKind kind = PageKind::kLane;
  LaneIdentity lane;
  uint64_t reader_id = 0;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// Of the layout above: the size of each struct and the offset of each field.
extern const uint64_t kLayoutHash;

// Fills in the header of a zeroed page, version last. The caller owns the file.
void PublishPage(const PageIdentity& identity, PageHeader& page);

// True once the page's owner has published it. False is not an error: the page is still empty.
inline bool IsPublished(const PageHeader& page) { return page.version.LoadAcquire() != 0; }

// Reads the header of a page and compares it with what is expected there; an expected length of 0
// stands for any valid one. Returns what was read. `label` names the file in messages.
//
// Unavailable: not published yet.
// FailedPrecondition: another format version or layout.
// DataLoss: anything else; the message has the label, the offset and the values.
absl::StatusOr<PageIdentity> ReadPage(const PageHeader& page, const PageIdentity& expected,
                                      std::string_view label);

// Whether an extent that a mapping named can be a segment: page-aligned, of valid size, and its end
// does not wrap. Says nothing about the file's size.
//
// DataLoss: it cannot; `at` is the file offset of the words that named it.
absl::Status CheckSegmentExtent(uint64_t offset, uint64_t length, std::string_view label,
                                uint64_t at);

// The status for bytes at file offset `at` that are not what the format allows.
absl::Status FormatError(std::string_view label, uint64_t at, std::string_view what);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SEGMENT_FORMAT_H_
