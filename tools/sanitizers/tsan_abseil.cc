// Tells ThreadSanitizer what abseil's locks order.
//
// The system's abseil is not instrumented, so that without this everything that an absl::Mutex
// guards looks like a race. The definitions here come before the library's, for its own calls too;
// each calls the library's and says what happened: a release hands on what this thread did, an
// acquire on the same address takes it over.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

// A lock that is taken here and given back elsewhere is the point.
#pragma clang diagnostic ignored "-Wthread-safety"

extern "C" {
// Of the sanitizer's run time, which has no header for them.
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

// The library's definition of a member function, as a function that takes `this` first.
template <typename Function>
Function* Next(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) {
    std::fprintf(stderr, "%s: abseil has no %s; adapt its names there\n", __FILE__, symbol);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace

#define NEXT(symbol, ...) static auto* const next = Next<__VA_ARGS__>("_ZN4absl7debian3" symbol)
#define NEXT_CONST(symbol, ...) \
  static auto* const next = Next<__VA_ARGS__>("_ZNK4absl7debian3" symbol)

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  NEXT("5Mutex4LockEv", void(Mutex*));
  next(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  NEXT("5Mutex6UnlockEv", void(Mutex*));
  __tsan_release(this);
  next(this);
}

bool Mutex::TryLock() {
  NEXT("5Mutex7TryLockEv", bool(Mutex*));
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  NEXT("5Mutex10ReaderLockEv", void(Mutex*));
  next(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  NEXT("5Mutex12ReaderUnlockEv", void(Mutex*));
  __tsan_release(this);
  next(this);
}

bool Mutex::ReaderTryLock() {
  NEXT("5Mutex13ReaderTryLockEv", bool(Mutex*));
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::LockWhen(const Condition& condition) {
  NEXT("5Mutex8LockWhenERKNS0_9ConditionE", void(Mutex*, const Condition&));
  next(this, condition);
  __tsan_acquire(this);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  NEXT("5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE",
       bool(Mutex*, const Condition&, Duration));
  const bool met = next(this, condition, timeout);
  __tsan_acquire(this);
  return met;
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  NEXT("5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE",
       bool(Mutex*, const Condition&, Time));
  const bool met = next(this, condition, deadline);
  __tsan_acquire(this);
  return met;
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  NEXT("5Mutex14ReaderLockWhenERKNS0_9ConditionE", void(Mutex*, const Condition&));
  next(this, condition);
  __tsan_acquire(this);
}

void Mutex::Await(const Condition& condition) {
  NEXT("5Mutex5AwaitERKNS0_9ConditionE", void(Mutex*, const Condition&));
  __tsan_release(this);
  next(this, condition);
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  NEXT("5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE",
       bool(Mutex*, const Condition&, Duration));
  __tsan_release(this);
  const bool met = next(this, condition, timeout);
  __tsan_acquire(this);
  return met;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  NEXT("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
       bool(Mutex*, const Condition&, Time));
  __tsan_release(this);
  const bool met = next(this, condition, deadline);
  __tsan_acquire(this);
  return met;
}

// Called with the lock held, but by whichever thread gives the lock back, which nothing here sees.
bool Condition::Eval() const {
  NEXT_CONST("9Condition4EvalEv", bool(const Condition*));
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  const bool met = next(this);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  return met;
}

void CondVar::Wait(Mutex* mutex) {
  NEXT("7CondVar4WaitEPNS0_5MutexE", void(CondVar*, Mutex*));
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  NEXT("7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", bool(CondVar*, Mutex*, Duration));
  __tsan_release(mutex);
  const bool expired = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return expired;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  NEXT("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", bool(CondVar*, Mutex*, Time));
  __tsan_release(mutex);
  const bool expired = next(this, mutex, deadline);
  __tsan_acquire(mutex);
  return expired;
}

// HasBeenNotified() is inline: its atomic load acquires notified_yet_, which follows the mutex.
void Notification::Notify() {
  NEXT("12Notification6NotifyEv", void(Notification*));
  __tsan_release(reinterpret_cast<char*>(this) + sizeof(Mutex));
  next(this);
}

void Notification::WaitForNotification() const {
  NEXT_CONST("12Notification19WaitForNotificationEv", void(const Notification*));
  next(this);
  (void)HasBeenNotified();
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  NEXT_CONST("12Notification30WaitForNotificationWithTimeoutENS0_8DurationE",
             bool(const Notification*, Duration));
  return next(this, timeout) && HasBeenNotified();
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  NEXT_CONST("12Notification31WaitForNotificationWithDeadlineENS0_4TimeE",
             bool(const Notification*, Time));
  return next(this, deadline) && HasBeenNotified();
}

bool BlockingCounter::DecrementCount() {
  NEXT("15BlockingCounter14DecrementCountEv", bool(BlockingCounter*));
  __tsan_release(this);
  return next(this);
}

void BlockingCounter::Wait() {
  NEXT("15BlockingCounter4WaitEv", void(BlockingCounter*));
  next(this);
  __tsan_acquire(this);
}

bool Barrier::Block() {
  NEXT("7Barrier5BlockEv", bool(Barrier*));
  __tsan_release(this);
  const bool last = next(this);
  __tsan_acquire(this);
  return last;
}

ABSL_NAMESPACE_END
}  // namespace absl
