#include "tests/bench/steady_ends.h"

#include <sys/resource.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/reader.h"
#include "agents/writer.h"
#include "tests/bench/payload.h"
#include "tests/bench/system_call_counter.h"
#include "tests/bench/ticks.h"

namespace causeway::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr auto kRelaxed = std::memory_order_relaxed;

uint64_t PageFaultsOfThread() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// Counts for the thread that made it, which tells now and then. Its own calls do not count.
class ThreadWatch {
 public:
  explicit ThreadWatch(ThreadCounts& counts)
      : counts_(counts),
        between_(static_cast<uint64_t>(1e8 / NanosPerTick())),
        faults_before_(PageFaultsOfThread()),
        next_(Ticks() + between_) {
    calls_.Start();
  }

  bool IsDue(uint64_t now) const { return now >= next_; }

  void Tell(uint64_t now, uint64_t frames) {
    next_ = now + between_;
    counts_.frames.store(frames, kRelaxed);
    counts_.page_faults.store(PageFaultsOfThread() - faults_before_, kRelaxed);
    ++own_calls_;
    const int64_t all = calls_.Count();
    counts_.system_calls.store(all < 0 ? -1 : all - own_calls_, kRelaxed);
  }

 private:
  ThreadCounts& counts_;
  const uint64_t between_;
  const uint64_t faults_before_;
  uint64_t next_;
  SystemCallCounter calls_;
  int64_t own_calls_ = 0;
};

absl::StatusOr<std::shared_ptr<Agent>> Attach(const SteadyOptions& options, const char* name) {
  AgentOptions agent_options;
  agent_options.dir = options.coordinator_dir;
  agent_options.name = name;
  return Agent::Attach(std::move(agent_options));
}

absl::Status CheckFrame(std::span<const std::byte> payload, size_t bytes, uint64_t index) {
  uint64_t first = 0;
  uint64_t last = 0;
  if (payload.size() == bytes) {
    std::memcpy(&first, payload.data(), kWordBytes);
    std::memcpy(&last, payload.data() + bytes - kWordBytes, kWordBytes);
    if (first == FirstWord(index) && last == first + bytes / kWordBytes - 1) {
      return absl::OkStatus();
    }
  }
  return absl::DataLossError(absl::StrCat("WRONG FRAME: in the place of frame ", index, " came ",
                                          payload.size(), " bytes that are not it"));
}

}  // namespace

absl::Status WriteSteadily(const SteadyOptions& options, SteadyCounts& counts) {
  auto agent = Attach(options, "steady-writer");
  if (!agent.ok()) return agent.status();
  auto opened = (*agent)->OpenWriter(options.stream, {.wait_mode = options.wait_mode});
  if (!opened.ok()) return opened.status();
  Writer& writer = **opened;
  if (absl::Status here = writer.WaitForReaders(options.readers, kPatience); !here.ok())
    return here;

  const double nanos_per_tick = NanosPerTick();
  uint64_t known_grant_waits = writer.counters().waits_for_grants;
  ThreadWatch watch(counts.writer);
  for (uint64_t i = 0; !counts.stop.load(kRelaxed); ++i) {
    const uint64_t begin = Ticks();
    std::byte* room = writer.TryClaim(options.frame_bytes);
    if (room == nullptr) {
      const auto claimed = writer.Claim(options.frame_bytes, kPatience);
      if (!claimed.ok()) return claimed.status();
      room = claimed->data();
      const uint64_t ticks = Ticks() - begin;
      const uint64_t grant_waits = writer.counters().waits_for_grants;
      const bool for_grant = std::exchange(known_grant_waits, grant_waits) != grant_waits;
      (for_grant ? counts.waits_for_grants : counts.waits_for_readers).fetch_add(1, kRelaxed);
      counts.waited_nanos.fetch_add(
          static_cast<uint64_t>(static_cast<double>(ticks) * nanos_per_tick), kRelaxed);
    }
    FillPayload(room, options.frame_bytes, i);
    if (!writer.Commit(options.frame_bytes)) return absl::InternalError("commit failed");
    if (!watch.IsDue(begin)) continue;
    const WriterCounters counters = writer.counters();
    counts.segments_granted.store(counters.segments_granted, kRelaxed);
    counts.rolls.store(counters.segments_rolled, kRelaxed);
    watch.Tell(begin, counters.frames);
  }
  return writer.Close();
}

absl::Status ReadSteadily(const SteadyOptions& options, SteadyCounts& counts,
                          ThreadCounts* thread) {
  auto agent = Attach(options, "steady-reader");
  if (!agent.ok()) return agent.status();
  auto opened = (*agent)->OpenReader(options.stream, {.wait_mode = options.wait_mode});
  if (!opened.ok()) return opened.status();
  Reader& reader = **opened;
  const auto cycle =
      static_cast<uint64_t>(static_cast<double>(options.cycle_nanos) / NanosPerTick());
  uint64_t next_pause = Ticks() + cycle;
  std::optional<ThreadWatch> watch;
  if (thread != nullptr) watch.emplace(*thread);
  for (uint64_t i = 0;; ++i) {
    Frame frame;
    if (!reader.TryNext(frame)) {
      const absl::StatusOr<Delivery> next = reader.Next(kPatience);
      if (!next.ok()) return next.status();
      if (next->kind == Delivery::Kind::kEnded) return absl::OkStatus();
      if (next->kind != Delivery::Kind::kFrame) return next->loss;
      frame = next->frame;
    }
    if (absl::Status whole = CheckFrame(frame.payload, options.frame_bytes, i); !whole.ok()) {
      return whole;
    }
    const uint64_t now = Ticks();
    if (watch.has_value() && watch->IsDue(now)) watch->Tell(now, i + 1);
    if (cycle == 0 || now < next_pause) continue;
    absl::SleepFor(absl::Nanoseconds(options.pause_nanos));
    counts.pauses.fetch_add(1, kRelaxed);
    next_pause = Ticks() + cycle;
  }
}

}  // namespace causeway::bench
