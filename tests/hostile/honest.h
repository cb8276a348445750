// Those who keep to the protocol, and must come to their end whatever others do.

#ifndef CAUSEWAY_TESTS_HOSTILE_HONEST_H_
#define CAUSEWAY_TESTS_HOSTILE_HONEST_H_

#include <cstdint>
#include <memory>

#include "mmapcore/lane_reader.h"
#include "mmapcore/wait_set.h"
#include "tests/hostile/attack_counts.h"
#include "tests/hostile/lane_files.h"

namespace causeway::hostile {

// Writes `frames` frames for one reader, which holds, waits until they are read, and closes. An
// exit status. `watched`: with a SleepWatch.
int WriteHonestly(LaneFiles& files, uint64_t frames, bool watched);

// Reads all of them: each once, whole, in order.
class HonestReading {
 public:
  // `set` and `counts` must outlive this object. Ends the process if the reader cannot be made.
  HonestReading(LaneFiles& files, WaitSet& set, uint64_t frames, AttackCounts& counts);
  ~HonestReading();

  // Reads what there is, up to `frames`. False: there was nothing.
  bool ReadOn(uint64_t frames);

  // Frames read so far.
  uint64_t frames() const { return next_; }

  bool done() const { return done_; }
  // After done(): the lane was closed behind the last frame. Says on standard error what was wrong.
  bool succeeded() const { return succeeded_; }

 private:
  void Finish();

  WaitSet& set_;
  const uint64_t frames_;
  AttackCounts& counts_;
  std::unique_ptr<LaneReader> reader_;
  uint64_t next_ = 0;
  bool done_ = false;
  bool succeeded_ = false;
};

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_HONEST_H_
