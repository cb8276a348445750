// Judges what one reader was given, against what the writers committed: loss, repetition, tearing,
// order, gaps and ends. Knows nothing of processes or of shared memory.

#ifndef CAUSEWAY_TESTS_FAULTS_HISTORY_CHECKER_H_
#define CAUSEWAY_TESTS_FAULTS_HISTORY_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mmapcore/reader_policy.h"

namespace causeway::faults {

// The frames of a lane are numbered 0, 1, 2, ... in the order of their commits. A frame that is
// claimed, filled and then given back has this bit in its number.
inline constexpr uint64_t kNeverCommitted = uint64_t{1} << 63;

// What its writer has said of a lane, or left behind when it died.
struct CommittedLane {
  uint64_t lane_id = 0;
  uint64_t begun = 0;      // frames whose commit was begun: these may have been seen
  uint64_t committed = 0;  // frames whose commit had returned: these must be seen
  bool ended = false;      // closed, or its writer is dead
};

// A frame as it was read. What its writer wrote into it stands beside what the reader found.
struct ReadFrame {
  uint64_t lane_id = 0;  // in which it came
  uint64_t position = 0;
  uint64_t bytes = 0;
  uint64_t stated_lane_id = 0;
  uint64_t stated_bytes = 0;
  uint64_t number = 0;
  bool whole = true;  // its checksum is right
};

// Frames that the reader was told it has missed.
struct ReadGap {
  uint64_t lane_id = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t frames = 0;
};

// One reader, from when it was opened until it was closed, or died. Frame(), Gap() and End() are
// called in the reader's order. Not thread-safe.
class HistoryChecker {
 public:
  static constexpr uint64_t kUnknownPosition = ~uint64_t{0};

  // `name` is for the violations.
  HistoryChecker(std::string name, ReaderPolicy policy);

  // The lane was opened after this reader: it is read, or told missed, from frame 0 on. Before the
  // first frame of it.
  void ExpectFromStart(uint64_t lane_id);

  void Frame(const ReadFrame& frame);
  void Gap(const ReadGap& gap);
  // The reader says that every lane that it knows has ended: those of which it has had anything.
  void End();
  // The reader says that a lane cannot be read.
  void Lost(uint64_t lane_id, uint64_t position);

  // Whether everything that had to be seen of the lane was seen, or told missed.
  bool Complete(const CommittedLane& lane) const;

  // Judges a lane whose writer will add nothing to `lane`, and forgets it. `must_be_complete`: the
  // reader has had all the time that it needed. `positions`: of the lane's frames by number, as a
  // reader found them that saw them all; kUnknownPosition, or not there: nobody knows.
  void Judge(const CommittedLane& lane, bool must_be_complete,
             const std::vector<uint64_t>& positions);

  // Of the lane's frames by number, as this reader found them.
  const std::vector<uint64_t>& positions(uint64_t lane_id) const;

  const std::string& name() const { return name_; }
  uint64_t frames() const { return frames_; }
  uint64_t gaps() const { return gaps_; }
  // One line each. Stay.
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct NumberedGap {
    ReadGap gap;
    uint64_t first = 0;  // number of the first frame missed
  };
  struct Lane {
    bool from_start = false;
    std::optional<uint64_t> next;  // number of the next frame; unknown before the first one
    uint64_t end_position = 0;     // no frame and no gap may begin before it
    bool met = false;              // the reader has had something of it
    bool after_gap = false;
    std::optional<uint64_t> next_at_end;  // `next`, when the reader was told of the end
    std::vector<NumberedGap> gaps;
    std::vector<uint64_t> positions;
  };

  Lane& Find(uint64_t lane_id);
  void Violate(uint64_t lane_id, const std::string& what);
  void CheckGaps(const CommittedLane& lane, const Lane& seen,
                 const std::vector<uint64_t>& positions);

  const std::string name_;
  const ReaderPolicy policy_;
  uint64_t frames_ = 0;
  uint64_t gaps_ = 0;
  std::map<uint64_t, Lane> lanes_;
  std::vector<std::string> violations_;
};

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_HISTORY_CHECKER_H_
