// The one way to touch a word that another process may read or write.

#ifndef CAUSEWAY_MMAPCORE_SHARED_WORD_H_
#define CAUSEWAY_MMAPCORE_SHARED_WORD_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace causeway {

// A word of a mapping, in place: structs of shared memory consist of these and of padding. All-zero
// bytes are a SharedWord of value zero, so a fresh extent needs no construction.
//
// There is no conversion to T, no copy and no operator: each access says its order, and one access
// is one load. Whoever reads a word keeps the value in a local and validates that local; a second
// load may return something else, since the other side is another process and possibly hostile. So
// tools/tidy/tidy.py refuses a function that loads the same word twice, unless a comment that
// begins with "Again:" says why it must (a sequence lock does, and compares).
//
// The order names say what the access is for:
//   Release/Acquire: publishes what was written before it, to whoever acquires it.
//   Relaxed: the value alone matters, or an explicit fence beside it gives the order.
template <typename T>
class SharedWord {
  static_assert(std::is_same_v<T, uint32_t> || std::is_same_v<T, uint64_t>);
  static_assert(std::atomic<T>::is_always_lock_free);
  static_assert(sizeof(std::atomic<T>) == sizeof(T));

 public:
  SharedWord() = default;
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;

  [[nodiscard]] T LoadRelaxed() const { return value_.load(std::memory_order_relaxed); }
  [[nodiscard]] T LoadAcquire() const { return value_.load(std::memory_order_acquire); }
  void StoreRelaxed(T value) { value_.store(value, std::memory_order_relaxed); }
  void StoreRelease(T value) { value_.store(value, std::memory_order_release); }

  // Adds one. For a word that several threads of its one owner increment; full barrier.
  void Increment() { value_.fetch_add(1, std::memory_order_seq_cst); }

  // Where the kernel waits and wakes (futex words only; they are 32 bits wide).
  const uint32_t* address() const
    requires(sizeof(T) == sizeof(uint32_t))
  {
    return reinterpret_cast<const uint32_t*>(&value_);
  }

 private:
  std::atomic<T> value_;
};

static_assert(std::is_standard_layout_v<SharedWord<uint32_t>>);
static_assert(std::is_standard_layout_v<SharedWord<uint64_t>>);
static_assert(std::is_trivially_destructible_v<SharedWord<uint64_t>>);
static_assert(sizeof(SharedWord<uint32_t>) == 4 && alignof(SharedWord<uint32_t>) == 4);
static_assert(sizeof(SharedWord<uint64_t>) == 8 && alignof(SharedWord<uint64_t>) == 8);

}  // namespace causeway

#endif  // CAUSEWAY_MMAPCORE_SHARED_WORD_H_
