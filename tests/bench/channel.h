// What connects the processes of a benchmark, whoever provides it.

#ifndef CAUSEWAY_TESTS_BENCH_CHANNEL_H_
#define CAUSEWAY_TESTS_BENCH_CHANNEL_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace causeway::bench {

// How an end waits for the other one.
enum class Waiting {
  kSpin,      // looks again and again
  kPark,      // sleeps in the kernel at once
  kAdaptive,  // what the party does if nobody asks for anything: for more processes than cores
};

struct ChannelSpec {
  std::string name;  // unique in this run; letters, digits and dashes
  int writers = 1;
  int readers = 1;  // each sees every frame of every writer
  size_t frame_bytes = 0;
  Waiting waiting = Waiting::kSpin;
  // Bytes of frames that may be on their way, where the party lets its user choose.
  uint64_t window_bytes = 0;
  std::string coordinator_dir;  // for those who need one

  // Frames that may be on their way: what the window holds, within reason.
  uint64_t WindowFrames(uint64_t least, uint64_t most) const {
    const uint64_t frames = window_bytes / frame_bytes;
    return frames < least ? least : frames > most ? most : frames;
  }
};

// The writing end, in its own process. Calls are compiled in line: at 100 million frames a second
// an indirect call would be what is measured.
template <typename T>
concept WriterEnd = requires(T end, size_t bytes) {
  // Room to fill, waiting for it as long as it takes; null: error() says why.
  { end.Claim(bytes) } -> std::same_as<std::byte*>;
  // Sends what was filled; false: error() says why.
  { end.Commit(bytes) } -> std::same_as<bool>;
  // Everything committed is on its way, however late the next frame is.
  { end.Flush() } -> std::same_as<bool>;
  { end.error() } -> std::convertible_to<std::string>;
  // Bytes of memory that the frames pass through; 0: not known.
  { end.live_bytes() } -> std::convertible_to<uint64_t>;
};

// The reading end, in its own process.
template <typename T>
concept ReaderEnd = requires(T end) {
  // The next frame, waiting for it as long as it takes; empty: error() says why. Valid until
  // Release().
  { end.Next() } -> std::same_as<std::span<const std::byte>>;
  { end.Release() };
  // The caller will be busy with other things for a while.
  { end.Pause() };
  { end.error() } -> std::convertible_to<std::string>;
};

// Made in the parent, before the processes are; each end is opened in its own process, a process's
// reader before its writer. A reader may have a Connect(), called last: true once it has a writer.
template <typename T>
concept Channel = requires(T channel, const ChannelSpec& spec, int index) {
  { T::Create(spec) } -> std::same_as<absl::StatusOr<std::unique_ptr<T>>>;
  // Returns once every reader is there.
  {
    channel.OpenWriter(index)
  } -> std::same_as<absl::StatusOr<std::unique_ptr<typename T::Writer>>>;
  // Waits for nobody.
  {
    channel.OpenReader(index)
  } -> std::same_as<absl::StatusOr<std::unique_ptr<typename T::Reader>>>;
  requires WriterEnd<typename T::Writer>;
  requires ReaderEnd<typename T::Reader>;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_CHANNEL_H_
