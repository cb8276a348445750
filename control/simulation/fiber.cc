#include "control/simulation/fiber.h"

#include <memory>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define CAUSEWAY_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAUSEWAY_FIBER_ASAN 1
#endif
#endif
#ifdef CAUSEWAY_FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace causeway::simulation {
namespace {

constexpr size_t kStackBytes = 512 * 1024;

Fiber* current = nullptr;

// Stacks are used again: a simulation makes thousands of fibers.
std::vector<std::unique_ptr<char[]>>& FreeStacks() {
  static auto* const stacks = new std::vector<std::unique_ptr<char[]>>();
  return *stacks;
}

void BeginSwitch(void** leaves, const void* stack, size_t bytes) {
#ifdef CAUSEWAY_FIBER_ASAN
  __sanitizer_start_switch_fiber(leaves, stack, bytes);
#else
  (void)leaves;
  (void)stack;
  (void)bytes;
#endif
}

void EndSwitch(void* arrives, const void** from_stack, size_t* from_bytes) {
#ifdef CAUSEWAY_FIBER_ASAN
  __sanitizer_finish_switch_fiber(arrives, from_stack, from_bytes);
#else
  (void)arrives;
  (void)from_stack;
  (void)from_bytes;
#endif
}

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  if (FreeStacks().empty()) {
    stack_ = new char[kStackBytes];
  } else {
    stack_ = FreeStacks().back().release();
    FreeStacks().pop_back();
  }
  getcontext(&own_);
  own_.uc_stack.ss_sp = stack_;
  own_.uc_stack.ss_size = kStackBytes;
  own_.uc_link = nullptr;
  makecontext(&own_, &Fiber::Enter, 0);
}

Fiber::~Fiber() { FreeStacks().push_back(std::unique_ptr<char[]>(stack_)); }

Fiber* Fiber::Current() { return current; }

void Fiber::Enter() {
  Fiber* const self = current;
  EndSwitch(nullptr, &self->resumer_stack_, &self->resumer_stack_bytes_);
  self->body_();
  self->ended_ = true;
  current = nullptr;
  // Null: this stack is not come back to.
  BeginSwitch(nullptr, self->resumer_stack_, self->resumer_stack_bytes_);
  setcontext(&self->resumer_);
}

void Fiber::Resume() {
  current = this;
  void* resumer = nullptr;
  BeginSwitch(&resumer, stack_, kStackBytes);
  swapcontext(&resumer_, &own_);
  EndSwitch(resumer, nullptr, nullptr);
}

void Fiber::WaitFor(const bool* flag) {
  waits_for_ = flag;
  current = nullptr;
  BeginSwitch(&sanitizer_own_, resumer_stack_, resumer_stack_bytes_);
  swapcontext(&own_, &resumer_);
  EndSwitch(sanitizer_own_, &resumer_stack_, &resumer_stack_bytes_);
  waits_for_ = nullptr;
}

}  // namespace causeway::simulation
