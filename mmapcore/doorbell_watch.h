// Threads that wait on doorbells in somebody else's place: for more of them than one system call
// takes, and for those who wait in epoll.

#ifndef CAUSEWAY_MMAPCORE_DOORBELL_WATCH_H_
#define CAUSEWAY_MMAPCORE_DOORBELL_WATCH_H_

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "mmapcore/deadline.h"
#include "mmapcore/doorbell.h"

namespace causeway {

// Watches any number of words, each thread up to 127 of them, asleep in the kernel. Threads are
// started when they are first needed, and idle ones cost nothing but their stack. One thread at a
// time may use it.
class DoorbellWatch {
 public:
  // `changed` is called by a watching thread. It must not block, nor call this object; a call may
  // still come shortly after Stop().
  explicit DoorbellWatch(std::function<void()> changed);

  // Stops, and ends the threads.
  ~DoorbellWatch();
  DoorbellWatch(const DoorbellWatch&) = delete;
  DoorbellWatch& operator=(const DoorbellWatch&) = delete;

  // From now on, and instead of what was watched before: calls `changed` once a word no longer has
  // its value, or `until` has passed. Each group of 127 words in a row is told of once, and then
  // rests until the next Watch(). A group that is watched like this already costs no system call.
  // The words must stay mapped until the next Watch() without them, or Stop().
  //
  // ResourceExhausted: a thread could not be started; some words are not watched.
  absl::Status Watch(std::span<const WaitedWord> words, Deadline until);

  // Watches nothing. When it returns, no word is looked at any more. Waits for threads to wake up.
  void Stop();

 private:
  class Watcher;

  const std::function<void()> changed_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_DOORBELL_WATCH_H_
