// Watches over readers that may fall asleep, so that a commit need not look at each of them.
//
// A reader that parks says so in a word of its own page (docs/protocol.md, I4). Whoever writes to
// many readers would read as many cache lines in each commit. So a writer whose readers have not
// slept for a while goes *quiet*: it says in its lane page that it no longer looks, and a thread of
// its process waits on the readers' doorbells instead. A reader that parks and finds its writer
// quiet rings its doorbell; the thread makes the writer look again, and wakes the reader once.

#ifndef CAUSEWAY_MMAPCORE_SLEEP_WATCH_H_
#define CAUSEWAY_MMAPCORE_SLEEP_WATCH_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "mmapcore/doorbell.h"

namespace causeway {

// What a writer does for the watch. All are called with a lock of the watch held, which is the same
// one from GoQuiet() to Resume().
class QuietLane {
 public:
  virtual ~QuietLane() = default;

  // Doorbells of readers that there are to watch.
  virtual size_t DoorbellCount() const = 0;

  // On the writer's thread. Says that the writer no longer looks. False: a reader sleeps, so the
  // writer goes on to look.
  virtual bool GoQuiet() = 0;

  // On the watch's thread. Appends the readers' doorbells with their present values, and after that
  // looks whether a reader sleeps: false, if so.
  virtual bool ListDoorbells(std::vector<WaitedWord>* words) = 0;

  // On the watch's thread. Makes the writer look again, and wakes the readers, so that one that has
  // slept unseen looks again, too.
  virtual void Resume() = 0;
};

// One for each process that writes. Thread-safe. Its threads, one for each 127 doorbells, are
// started by the lanes that go quiet, and take none of the process's signals.
class SleepWatch {
 public:
  // 2,032 doorbells. Beyond them a commit costs its look again, and no thread.
  static constexpr size_t kMostThreads = 16;

  SleepWatch() = default;
  // Lanes must have been removed before.
  ~SleepWatch() = default;
  SleepWatch(const SleepWatch&) = delete;
  SleepWatch& operator=(const SleepWatch&) = delete;

  // Lets the lane go quiet. False, and it goes on to look: a reader sleeps, no thread of the watch
  // can wait for as many doorbells more, or no thread can be started. On the writer's thread; for a
  // lane that is not watched. Does not block for longer than a lane takes to resume.
  bool Watch(QuietLane* lane);

  // The lane ends. Afterwards the watch does not touch it any more. Ok if it is not watched.
  void Remove(QuietLane* lane);

  // The watched lane's readers have changed. Never blocks.
  void ReadersChanged();

  // How often a lane has been made to look again.
  uint64_t resumed() const { return resumed_.load(std::memory_order_relaxed); }

 private:
  // The lanes that one thread watches. A lane is in one part at most, under whose lock alone it
  // goes quiet and resumes.
  class Part {
   public:
    Part() = default;
    ~Part();

    enum class Answer { kQuiet, kLooks, kNoRoom };
    Answer Watch(QuietLane* lane, std::atomic<uint64_t>* resumed);
    bool Remove(QuietLane* lane);
    void ReadersChanged() { attention_.Raise(); }

   private:
    void Run(std::atomic<uint64_t>* resumed) ABSL_LOCKS_EXCLUDED(mutex_);
    // Everything to wait for; resumes lanes whose readers sleep. False: to stop.
    bool Prepare(uint32_t attention_seen, std::vector<WaitedWord>* words,
                 std::atomic<uint64_t>* resumed) ABSL_LOCKS_EXCLUDED(mutex_);
    size_t DoorbellCount() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    Attention attention_;
    absl::Mutex mutex_;
    std::vector<QuietLane*> lanes_ ABSL_GUARDED_BY(mutex_);
    std::thread thread_ ABSL_GUARDED_BY(mutex_);
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  };

  std::atomic<uint64_t> resumed_{0};
  std::array<Part, kMostThreads> parts_;  // after resumed_, to which their threads add
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SLEEP_WATCH_H_
