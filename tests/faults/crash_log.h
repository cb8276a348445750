// What a process that may be killed at any moment has said so far: in a file that it shares with
// the test.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_LOG_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "mmapcore/deadline.h"
#include "tests/faults/history_checker.h"

namespace causeway::faults {

// One thing that happened.
struct CrashRecord {
  enum class Kind : uint32_t {
    kWriterOpened = 1,   // `frame.lane_id`; `nanos` is before the call
    kWriterClosing = 2,  // `frame.lane_id`; `frame.number` frames are committed
    kReaderOpened = 3,   // `reader_id`; `nanos` is after the call
    kReaderClosing = 4,
    kFrame = 5,           // `frame`
    kGap = 6,             // `gap`
    kEnded = 7,           // every lane that the reader knows
    kLaneLost = 8,        // `frame.lane_id`, `frame.position`
    kConnectionLost = 9,  // AgentEvents from here
    kReattached = 10,
    kReaderLeft = 11,  // `reader_id`
    kLaneEnded = 12,   // `frame.lane_id`
    kAttached = 13,
    kDetaching = 14,  // no event
  };
  Kind kind;
  int64_t nanos;  // Deadline::NowNanos()
  uint64_t reader_id;
  ReadFrame frame;
  ReadGap gap;
};
static_assert(std::is_trivially_copyable_v<CrashRecord>);

// All-zero: empty. One process writes, one reads.
struct CrashLogPage {
  static constexpr uint64_t kRecords = 1 << 15;

  std::atomic<uint64_t> written;  // records; release
  std::atomic<uint64_t> read;     // records; release: their room is the writer's again

  // Of the lane that was opened last. Stored before and after each commit.
  std::atomic<uint64_t> begun;
  std::atomic<uint64_t> committed;

  CrashRecord records[kRecords];
};

// The file, mapped. Only the process that writes may call the functions before Next(), only the
// test Next(). Not thread-safe.
class CrashLog {
 public:
  // The file must exist; it gets its size, and is zero where it was not written. Ends the program
  // where it cannot be mapped.
  explicit CrashLog(const std::string& path);
  ~CrashLog();
  CrashLog(const CrashLog&) = delete;
  CrashLog& operator=(const CrashLog&) = delete;

  // Waits while the log is full.
  void Write(CrashRecord record);

  void Begin(uint64_t frames) { page_->begun.store(frames, std::memory_order_release); }
  void Committed(uint64_t frames) { page_->committed.store(frames, std::memory_order_release); }

  // How many records there are so far.
  uint64_t written() const { return page_->written.load(std::memory_order_acquire); }
  uint64_t begun() const { return page_->begun.load(std::memory_order_acquire); }
  uint64_t committed() const { return page_->committed.load(std::memory_order_acquire); }
  uint64_t read() const { return page_->read.load(std::memory_order_relaxed); }

  // The next record. There is one if read() < written().
  CrashRecord Next();

 private:
  CrashLogPage* page_;
};

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_LOG_H_
