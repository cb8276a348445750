// Several calls under way at once, in one thread.

#ifndef CAUSEWAY_CONTROL_SIMULATION_FIBER_H_
#define CAUSEWAY_CONTROL_SIMULATION_FIBER_H_

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace causeway::simulation {

// A function with a stack of its own that runs when it is resumed, until it waits. So code that
// blocks, written for a thread of its own, runs in an order that a simulation decides.
//
// All fibers of a program belong to one thread.
class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  // The body must have ended, or never begun.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the body until it waits or ends. Not from a fiber.
  void Resume();
  bool ended() const { return ended_; }
  // It has not ended, and what it waits for has come.
  bool ready() const { return !ended_ && (waits_for_ == nullptr || *waits_for_); }

  // The fiber that runs; null on the thread's own stack.
  static Fiber* Current();

  // Of the running fiber: lets others run until `*flag`, which outlives the wait.
  void WaitFor(const bool* flag);
  // Of the running fiber: lets others run.
  void Pause() { WaitFor(nullptr); }

 private:
  static void Enter();

  const std::function<void()> body_;
  char* stack_ = nullptr;
  ucontext_t own_ = {};
  ucontext_t resumer_ = {};
  const bool* waits_for_ = nullptr;
  bool ended_ = false;
  // For AddressSanitizer, which follows what is on which stack.
  void* sanitizer_own_ = nullptr;
  const void* resumer_stack_ = nullptr;
  size_t resumer_stack_bytes_ = 0;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_FIBER_H_
