// The reading end of a lane.
//
//   while (true) {
//     FrameView frame = reader->TryNext();
//     if (frame) { Consume(frame.data, frame.size); continue; }
//     if (frame.state == ReadState::kEnded || frame.state == ReadState::kDamaged) break;
//     waiting.WaitUntil(Deadline::Infinite());   // a WaitSet
//   }
//
// A reader that may be lapped (policies kDrop and kEvict) believes what it has read only once it
// knows that the bytes were still there:
//
//     if (frame) { Copy(frame.payload(), buffer); if (reader->Release()) Consume(buffer); continue;
//     }

#ifndef CAUSEWAY_MMAPCORE_LANE_READER_H_
#define CAUSEWAY_MMAPCORE_LANE_READER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mmapcore/crash_point.h"
#include "mmapcore/doorbell.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"
#include "mmapcore/reader_policy.h"
#include "mmapcore/reader_segments.h"
#include "mmapcore/segment_format.h"

namespace causeway {

// What TryNext() found.
enum class ReadState : uint8_t {
  kFrame,
  kNothing,     // no frame is committed yet
  kNotJoined,   // the writer does not hold segments for this reader yet
  kEnded,       // the lane is over and read to its end; end() says how
  kDamaged,     // the lane cannot be read on; status() says why
  kGap,         // frames were missed: gap() says which; what comes next lies behind them
  kOutOfRange,  // what this reader is to read next is not there (any more), which is its end: it
                // was lapped under kEvict, or cannot begin where it was told to; status() says
                // which
};

// How a lane ended.
enum class LaneEnd : uint8_t {
  kNotEnded,
  kClosed,         // by its writer
  kWriterDied,     // everything that it committed was read
  kWriterEvicted,  // everything that it had committed when the reader looked was read
};

// One frame, in place. False if there is none.
struct FrameView {
  const std::byte* data = nullptr;  // 8-byte aligned
  uint32_t size = 0;                // bytes
  ReadState state = ReadState::kFrame;
  uint64_t position = 0;      // of the frame in its lane
  uint64_t timestamp_ns = 0;  // when it was committed, CLOCK_MONOTONIC; 0 in lanes without

  explicit operator bool() const { return data != nullptr; }
  std::span<const std::byte> payload() const { return {data, size}; }
};

// Where a reader begins in a lane. Under kBlock nothing is held before the writer obeys the cursor;
// if what the reader was to begin with is gone by then, it begins at the oldest frame. Under kDrop
// and kEvict that is a gap, and eviction.
struct LaneStart {
  enum class At : uint8_t {
    kOldest,    // the oldest frame that is retained
    kLatest,    // the first frame that is committed after Create()
    kPosition,  // the first frame at or behind `position`, which a FrameView had
  };
  At at = At::kOldest;
  uint64_t position = 0;
};

// Frames that a reader has missed.
struct LaneGap {
  static constexpr uint64_t kUnknown = ~uint64_t{0};

  uint64_t begin = 0;   // position behind the last frame before them
  uint64_t end = 0;     // position from which reading goes on
  uint64_t frames = 0;  // how many; kUnknown only if the reader never was at `begin`
};

struct LaneReaderOptions {
  LaneIdentity identity;
  uint64_t reader_id = 0;
  uint64_t roster_version = 0;  // the lane is read once its page shows this or more
  uint64_t max_frame_bytes = kMaxFrameBytes;
  bool timestamps = false;  // as the writer's
  // As the writer was told (ReaderCursor::Map()).
  ReaderPolicy policy = ReaderPolicy::kBlock;
  LaneStart start;
  // Address space for segments that are kept mapped for their next use. The current one is mapped
  // whatever its size.
  uint64_t max_mapped_bytes = uint64_t{1} << 30;
};

// Reads the frames of one lane in order, each exactly once, without copying. One thread at a time
// may use it; SetWriterGone() may be called from any thread.
//
// Under ReaderPolicy::kDrop and kEvict the writer may use a segment again while the reader looks at
// it. Then a frame's bytes change under the reader: they are bytes of other frames, or torn.
// Nothing else breaks, and Release() and StillValid() tell. (Loading them is a data race in the
// letter of C++; the algorithm is the sequence lock of H.-J. Boehm, "Can seqlocks get along with
// programming language memory models?", MSPC 2012, with the segment's generation as its counter.
// Whoever wants to the letter copies through relaxed atomic loads.) A frame that was found
// overwritten counts as missed: it is the first one of the gap that follows.
//
// The lane file is another process's. Its words are loaded once and validated; what they say wrong
// ends the reader with DataLoss, and nothing else. The payload's bytes are handed out in place: a
// writer that breaks the protocol could change them under the caller's eyes, so whoever does not
// trust the writer copies before it parses.
class LaneReader {
 public:
  // Takes over the lane file (a read-only descriptor is enough) and maps the lane page, which may
  // not have been published yet. Publishes the reader's cursor page at `cursor_offset` of its
  // cursor file, which is opened read-write and may be closed afterwards; the page holds every
  // segment until the first frame has been read.
  //
  // FailedPrecondition: the cursor page was published before by another reader.
  // DataLoss: the lane page is published and wrong.
  // Others: as Mapping::Map().
  static absl::StatusOr<std::unique_ptr<LaneReader>> Create(MappedFile lane_file,
                                                            uint64_t lane_page_offset,
                                                            const MappedFile& cursor_file,
                                                            uint64_t cursor_offset,
                                                            const LaneReaderOptions& options);

  // Closes.
  ~LaneReader();
  LaneReader(const LaneReader&) = delete;
  LaneReader& operator=(const LaneReader&) = delete;

  // Lets go of the frame before and returns the next one. Its bytes are valid
  // until the next call of TryNext(), Release() or Close(). Does not block, except that following
  // the lane into a segment that was not used before maps it. Where frames stream,
  // finding nothing takes microseconds (see Linger()).
  //
  // kEnded, kDamaged and kOutOfRange are final; but a lack of memory or of mappings (status() is
  // ResourceExhausted) is tried again by the next call.
  FrameView TryNext() {
    if (offset_ - published_ >= kPublishBytes) [[unlikely]]
      Publish();
    FrameView frame;
    const uint64_t word = TakeFrame(frame);
    if (frame) [[likely]]
      return frame;
    // Looking again and again is kept short: most things that can end the wait are asked only
    // now and then.
    if (word == 0 && frames_ == frames_at_catch_up_ && ++empty_looks_ % kLooksPerCheck != 0 &&
        writer_gone_.load(std::memory_order_relaxed) == LaneEnd::kNotEnded &&
        !mapping_->damaged()) {
      return {.state = ReadState::kNothing};
    }
    return TryNextSlow();
  }

  // As TryNext(), but passes over everything that lies before the newest frame that was committed
  // when it was called: the latest value of a lane. Looks at header words of the newest segment
  // only, never at payloads. `skipped`: how many frames it has passed over.
  FrameView TryLatest(uint64_t& skipped);

  // As TryNext(), for as many frames as there are and `frames` has room for: lets go of those
  // before, and sets the first ones, all of which are valid until the next call. At the cost of the
  // lines that they lie in. A batch ends with the segment. Returns how many; if none, `state` says
  // why.
  size_t TryNextBatch(std::span<FrameView> frames, ReadState& state) {
    if (frames.empty()) return 0;
    frames[0] = TryNext();
    state = frames[0].state;
    if (!frames[0]) return 0;
    size_t count = 1;
    while (count < frames.size()) {
      TakeFrame(frames[count]);
      if (!frames[count] && !TakeStampedFrame(frames[count])) break;
      ++count;
    }
    return count;
  }

  // Lets go of the last frame, and tells the writer. TryNext() tells it too, but for a reader that
  // is busy only from time to time: when it leaves a segment, every 16 KiB, and when it finds
  // nothing.
  //
  // False if the frame has been overwritten by a writer that has lapped this reader: what was read
  // of it may be anything. It then counts as missed. If it is not called, TryNext() decides for it.
  // Always true under kBlock.
  bool Release() {
    if (lappable_) return ReleaseLappable();
    if (offset_ != published_) Publish();
    return true;
  }

  // Whether the bytes of `frame`, one that this reader has given, are still the ones that were
  // committed, and so were all that have been loaded from it so far. False once its segment is used
  // again, or once the reader has left that segment. Two loads.
  bool StillValid(const FrameView& frame) const {
    return frame.position - base_position_ < offset_ && Intact();
  }

  // For readers that merge lanes by timestamp. True: there is nothing to read, and every frame that
  // this lane's writer commits from now on has a timestamp that is not before any time at which the
  // caller looked at the clock before the ProcessBarrier() that it has executed before this call.
  // False: TryNext() has something, or will have it soon.
  bool StandsStill() const;

  // What was missed, when TryNext() has returned kGap; until it does so again.
  const LaneGap& gap() const { return gap_; }

  // How often it has.
  uint64_t gaps() const { return gaps_; }

  // True unless TryNext() would return kNothing or kNotJoined; false as well once it has returned
  // something final.
  bool Ready() const;

  // True if pages under a frame that was handed out have been lost: the bytes of the last frame may
  // be zeros that nobody wrote. TryNext() then says kDamaged. Always false if SigbusGuard is not
  // installed.
  bool damaged() const { return mapping_->damaged(); }

  // The writer will commit nothing any more: once everything committed is read, the lane ends, with
  // this cause. Call it when death or eviction is known for sure. A thread that waits must be woken
  // through its WaitSet. Any thread; the first call counts.
  void SetWriterGone(LaneEnd cause);

  // Leaves: holds nothing any more, and tells a waiting writer. Idempotent; TryNext() then returns
  // kEnded.
  void Close();

  // Frames returned so far, without those that were found overwritten.
  uint64_t frames() const { return frames_; }

  // OK, or why TryNext() returned kDamaged or kOutOfRange.
  const absl::Status& status() const { return status_; }

  // kNotEnded until TryNext() has returned kEnded.
  LaneEnd end() const { return end_; }

  // Where the next frame is looked for; 0 before the reader has joined.
  uint64_t position() const { return base_position_ + offset_; }

  const LaneReaderOptions& options() const { return options_; }

 private:
  friend class WaitSet;

  static constexpr uint32_t kLooksPerCheck = 32;
  static constexpr uint64_t kPublishBytes = 16384;
  static constexpr uint64_t kNotCaughtUp = ~uint64_t{0};  // in no segment

  LaneReader(MappedFile lane_file, Mapping lane_mapping, uint64_t lane_page_offset,
             Mapping cursor_mapping, const LaneReaderOptions& options);

  // Takes the frame at the offset, if there is one and it is the ordinary case; returns the header
  // word that was found.
  uint64_t TakeFrame(FrameView& frame) {
    // Pairs with the release in LaneWriter::Commit(): a word with the mark of data vouches for its
    // payload (I2), and for a valid word behind it (I1).
    const uint64_t word = HeaderWordAt(segment_, offset_).LoadAcquire();
    const HeaderWordFields fields = DecodeHeaderWord(word);
    frame.data = nullptr;
    if (fields.mark == mark_) [[likely]] {
      const uint64_t next = offset_ + FrameSpan(fields.length);
      if (next <= limit_ && fields.length <= options_.max_frame_bytes) [[likely]] {
        frame = {segment_ + offset_ + kHeaderWordBytes, fields.length, ReadState::kFrame,
                 base_position_ + offset_};
        offset_ = next;
        ++frames_;
        // The next header word travels while the caller looks at this frame.
        __builtin_prefetch(segment_ + next);
      }
    }
    return word;
  }

  // The same for one with a timestamp. False: there is none, or it is not the ordinary case.
  bool TakeStampedFrame(FrameView& frame);
  // The frame at the offset, whose header word has been found valid.
  FrameView ViewOf(uint32_t length, uint64_t timestamp_ns) const;
  uint64_t stamp_bytes() const { return options_.timestamps ? kTimestampBytes : 0; }
  // Whether a data frame's header word can have this length here.
  bool Fits(uint32_t length) const;
  // Whether the next frame can have this timestamp: one from the last one's to the present time.
  bool IsPlausible(uint64_t timestamp_ns);
  uint32_t DataMark(uint64_t generation) const;

  void Publish() {
    published_ = offset_;
    // I9. Release: what lies before was read. Pairs with the acquire in ReaderCursor::Position().
    cursor_->position.StoreRelease(position());
    CAUSEWAY_CRASH_POINT("reader.cursor.position_stored");
  }
  bool finished() const { return state_ != ReadState::kNothing; }
  // I10. Whether nothing of the current segment has been overwritten, as far as anything that was
  // loaded from it could tell.
  bool Intact() const {
    // Pairs with the fence in WriterSegments::EndUse(): if any load before was of a byte that was
    // stored behind that fence, the load below finds the generation changed.
    std::atomic_thread_fence(std::memory_order_acquire);
    return PageAt<SegmentHeader>(segment_).generation.LoadRelaxed() == generation_;
  }
  bool ReleaseLappable();
  // Ordinal in the lane of the frame at offset_.
  uint64_t next_frame() const { return frames_ + passed_over_; }

  // One use of a segment, as its header told of it.
  struct Place {
    const ReaderSegments::Segment* segment = nullptr;
    uint64_t base_position = 0;
    uint64_t generation = 0;
    uint64_t base_frame = 0;
    uint64_t previous_offset = 0;
  };
  // Offsets in a segment of its last frame, and behind it. Equal: there is none.
  struct Tail {
    uint64_t last = 0;
    uint64_t end = 0;
    uint64_t frames = 0;  // from where the look began to `end`
  };

  FrameView TryNextSlow();
  // What stands between the caller and the next frame: something to be told, or nothing.
  std::optional<FrameView> Prepare();
  FrameView ReadOn();
  // Having caught up with a writer that streams small frames, a reader that looks at once shares
  // every cache line with it while it is being written, and both run at the pace at which lines
  // travel between cores. Staying away for microseconds lets frames pile up, and both run freely. A
  // reader finds out whether that pays: once in many catch-ups it stays away, and goes on to do so
  // for as long as several frames are there when it comes back, longer the faster they come. Where
  // they come one by one, as answers to answers do, it looks at once. True: it has stayed away, and
  // should look.
  bool Linger();
  FrameView NothingYet();
  bool MayJoin() const;
  std::optional<FrameView> Join();
  absl::Status FollowEnd();
  // Maps a segment and reads its header. DataLoss: it is none, or is being prepared for its next
  // use.
  absl::StatusOr<Place> Visit(FileExtent extent, uint64_t named_at);
  absl::StatusOr<Place> VisitNewest();
  // The oldest one that is retained. Unavailable: the writer is too fast, try again.
  absl::StatusOr<Place> FindOldest();
  // Stands at the beginning of this segment.
  void MoveTo(const Place& place);
  // Lets TryNext() find frames in line, if it may.
  void SetMark();
  // Looks at header words from `offset` on.
  Tail FindTail(const Place& place, uint64_t offset) const;
  // The offset behind the frame at `offset`; 0: there is none.
  uint64_t EndOfFrame(const Place& place, uint64_t offset) const;
  // What is to be read from, if that is to be known when the reader is made: where the lane begins
  // now, or where the next frame will be committed.
  void ChooseStart();
  // Sets start_position_ to behind the last frame, and returns the next one's ordinal. Nothing, and
  // unset: the writer is too fast.
  std::optional<uint64_t> FindHead();
  bool LiesAhead(const Place& place) const;
  void SkipToLatest();
  void StandNowhere(uint64_t position);
  // Goes on behind what was lapped, or says that it was the end. If nothing was lapped after all,
  // fails with `why`.
  std::optional<FrameView> Recover(absl::Status why);
  // Tells of a gap that ends here, or of eviction; of nothing, if no frame was missed.
  std::optional<FrameView> Miss(uint64_t begin, uint64_t frames);
  FrameView CutOff(std::string_view why);
  absl::Status CheckLanePage() const;
  absl::Status CheckPages() const;
  absl::Status WrongWord(uint64_t word) const;
  absl::Status WrongTimestamp(uint64_t timestamp_ns) const;
  FrameView Fail(absl::Status status);
  FrameView Finish(ReadState state);
  // Tells a writer that waits for room, or for this reader, that the cursor has moved.
  void RingWaitingWriter();
  // I11. Tells a writer that does not look for sleepers that this reader is about to be one.
  void RingQuietWriter();

  // Of the current segment; before joining and after the end, a page of zeros.
  const std::byte* segment_;
  uint64_t offset_ = 0;  // in the segment, of the next header word
  uint64_t limit_ = 0;   // a frame may end here: there is room for one more word behind it
  // Of data frames without and with timestamps, one of which there are none; of both none if
  // TryNextSlow() has to look at each: where the reader may be lapped, and on its way to where it
  // begins.
  uint32_t mark_;
  uint32_t stamped_mark_;
  uint64_t published_ = 0;  // the offset that the cursor shows
  uint64_t frames_ = 0;
  uint64_t frames_at_catch_up_ = kNotCaughtUp;
  uint32_t empty_looks_ = 0;
  CursorPage* cursor_;
  uint64_t base_position_ = 0;
  const Mapping* mapping_;

  const LaneReaderOptions options_;
  const bool lappable_;
  ReaderSegments segments_;
  Mapping lane_mapping_;
  const LanePage* const lane_page_;
  Mapping cursor_mapping_;
  uint64_t lane_page_offset_;
  uint64_t segment_offset_ = 0;  // in the lane file
  uint64_t segment_bytes_ = 0;
  uint64_t generation_ = 0;
  uint32_t data_mark_ = 0;  // of data frames
  bool joined_ = false;
  uint64_t start_position_ = 0;          // frames before it are passed over
  std::optional<uint64_t> start_frame_;  // ordinal of the frame there; if the reader may be lapped
  uint64_t passed_over_ = 0;  // frames of the lane, before the next one, that were not returned
  // If the reader may be lapped: whether it has been, and the last frame.
  bool lapped_ = false;
  bool holding_ = false;  // the last frame has not been let go of
  bool whole_ = true;     // ... nor found overwritten
  uint64_t held_offset_ = 0;
  LaneGap gap_;
  uint64_t gaps_ = 0;
  ReadState state_ = ReadState::kNothing;  // anything else is final
  LaneEnd end_ = LaneEnd::kNotEnded;
  absl::Status status_;
  uint64_t frames_at_linger_ = kNotCaughtUp;
  uint32_t catch_ups_ = 0;
  int64_t stay_nanos_ = 0;         // away, at each catch-up; 0: not at all
  uint32_t sleeps_ = 0;            // so far; the number of the present one
  uint64_t last_timestamp_ = 0;    // of the frame before
  uint64_t latest_plausible_ = 0;  // of timestamps, when the clock was last looked at
  uint64_t rung_position_ = 0;     // where a waiting writer was last told of
  std::atomic<LaneEnd> writer_gone_{LaneEnd::kNotEnded};
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_LANE_READER_H_
