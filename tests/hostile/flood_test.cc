// An agent that floods, in a process of its own: it is limited with an error that names the limit;
// the coordinator's memory and descriptors stay bounded; others are served meanwhile. How long they
// wait is printed, next to how long they wait without a flood, and beside a process that is as busy
// and leaves the coordinator alone: that much is the scheduler's doing.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "gtest/gtest.h"
#include "mmapcore/testing/status_matchers.h"
#include "mmapcore/testing/subprocess.h"

namespace causeway {
namespace {

using testing::AgentsClient;
using testing::CoordinatorProcess;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::Peer;
using testing::Runfile;
using testing::ServedDirectory;
using testing::TestAgent;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAUSEWAY_FLOOD_ASAN 1
#endif
#endif
#ifdef CAUSEWAY_FLOOD_ASAN
// It keeps up to 256 MiB of what was freed, and puts zones around the rest.
constexpr uint64_t kMaxGrowthKib = 1024 * 1024;
#else
constexpr uint64_t kMaxGrowthKib = 512 * 1024;
#endif
constexpr size_t kMaxGrowthDescriptors = 8192;
constexpr int kQuietCalls = 300;
constexpr char kBusy[] = "compute 500";
// A call that says UNAVAILABLE is tried again, as the library does: for so long, so often.
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kPause = absl::Milliseconds(10);

class FloodTest : public ::testing::Test {
 protected:
  FloodTest() {
    EXPECT_TRUE(coordinator_.ready()) << coordinator_.Log();
    v1::OpenWriterRequest request;
    request.set_stream("honest");
    request.set_create_if_missing(true);
    const absl::StatusOr<v1::OpenWriterResponse> opened = calls_.OpenWriter(request);
    EXPECT_THAT(opened, IsOk());
    grant_.set_lane_id(opened->lane_id());
    for (int i = 0; i < kQuietCalls; ++i) CallOnce(&quiet_);
    memory_before_ = PeakMemoryKib();
    descriptors_before_ = Descriptors();
  }

  // Lets the flooder do that, while the honest agent goes on with its calls; returns what the
  // flooder was answered.
  std::string Flood(const std::string& command) {
    std::vector<absl::Duration> busy;
    Command(kBusy, &busy);
    repeated_ = 0;
    std::vector<absl::Duration> loud;
    const std::string answer = Command(command, &loud);
    // The others are served as before.
    CallOnce(&loud);
    std::printf(
        "%s: %s\n  others' p99: %s without, %s beside as many busy threads, %s with the flood "
        "(%zu calls, %llu of them again; the longest %s); the coordinator's peak memory: %llu MiB, "
        "and %llu before; descriptors: %zu, and %zu before\n",
        command.c_str(), answer.c_str(), absl::FormatDuration(Percentile(99, quiet_)).c_str(),
        absl::FormatDuration(Percentile(99, busy)).c_str(),
        absl::FormatDuration(Percentile(99, loud)).c_str(), loud.size(),
        static_cast<unsigned long long>(repeated_),
        absl::FormatDuration(Percentile(100, loud)).c_str(),
        static_cast<unsigned long long>(PeakMemoryKib() / 1024),
        static_cast<unsigned long long>(memory_before_ / 1024), most_descriptors_,
        descriptors_before_);
    EXPECT_LT(PeakMemoryKib(), memory_before_ + kMaxGrowthKib);
    EXPECT_LT(most_descriptors_, descriptors_before_ + kMaxGrowthDescriptors);
    return answer;
  }

 private:
  std::string Command(const std::string& command, std::vector<absl::Duration>* times) {
    std::atomic<bool> done = false;
    std::string answer;
    std::thread flood([&] {
      const absl::StatusOr<std::string> line = flooder_->Ask(command);
      EXPECT_THAT(line, IsOk());
      answer = line.value_or("");
      done = true;
    });
    while (!done && !HasFatalFailure()) {
      CallOnce(times);
      most_descriptors_ = std::max(most_descriptors_, Descriptors());
    }
    flood.join();
    return answer;
  }

  // A segment, there and back: two calls that change the state, and blocks on the file system.
  void CallOnce(std::vector<absl::Duration>* times) {
    const absl::Time begin = absl::Now();
    grant_.set_idempotency_key(absl::StrCat(++pairs_));
    const absl::StatusOr<v1::GrantSegmentResponse> granted =
        Insist([&] { return calls_.GrantSegment(grant_); });
    ASSERT_TRUE(granted.ok()) << granted.status();
    v1::ReturnSegmentRequest give_back;
    give_back.set_lane_id(grant_.lane_id());
    give_back.set_offset(granted->segment().offset());
    const absl::Status returned = Insist([&] { return calls_.ReturnSegment(give_back); });
    // Returned by a call whose answer was lost.
    ASSERT_TRUE(returned.ok() || absl::IsNotFound(returned)) << returned;
    times->push_back(absl::Now() - begin);
  }

  // Calls again what was cancelled since somebody took the memory for calls.
  template <typename Call>
  std::invoke_result_t<Call> Insist(Call call) {
    const absl::Time deadline = absl::Now() + kPatience;
    std::invoke_result_t<Call> answer = call();
    while (MayBeRepeated(answer) && absl::Now() < deadline) {
      ++repeated_;
      absl::SleepFor(kPause);
      answer = call();
    }
    return answer;
  }
  static bool MayBeRepeated(const absl::Status& status) {
    return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
  }
  template <typename T>
  static bool MayBeRepeated(const absl::StatusOr<T>& answer) {
    return MayBeRepeated(answer.status());
  }

  static absl::Duration Percentile(size_t percent, std::vector<absl::Duration> times) {
    if (times.empty()) return absl::ZeroDuration();
    std::sort(times.begin(), times.end());
    return times[std::min(times.size() * percent / 100, times.size() - 1)];
  }

  uint64_t PeakMemoryKib() const {
    std::ifstream status(absl::StrCat("/proc/", coordinator_.pid(), "/status"));
    std::string word;
    uint64_t kib = 0;
    while (status >> word) {
      if (word == "VmHWM:") status >> kib;
    }
    EXPECT_NE(kib, 0u);
    return kib;
  }

  size_t Descriptors() const {
    const std::filesystem::directory_iterator open(
        absl::StrCat("/proc/", coordinator_.pid(), "/fd"));
    return static_cast<size_t>(std::distance(begin(open), end(open)));
  }

  ServedDirectory temporary_;
  CoordinatorProcess coordinator_{temporary_.path(), {"--ephemeral"}};
  TestAgent agent_{temporary_.path(), "honest"};
  AgentsClient calls_{temporary_.path(), agent_.token()};
  absl::StatusOr<Peer> flooder_ =
      Peer::Start({Runfile("tests/hostile/flooder"), temporary_.path()});
  v1::GrantSegmentRequest grant_;
  std::vector<absl::Duration> quiet_;
  uint64_t memory_before_ = 0;
  size_t descriptors_before_ = 0;
  size_t most_descriptors_ = 0;
  uint64_t pairs_ = 0;
  uint64_t repeated_ = 0;
};

TEST_F(FloodTest, OfCallsIsLimitedByTheCallsOfOneAgent) {
  EXPECT_THAT(Flood("calls 3200"), HasSubstr("max_calls_per_agent"));
}

// Refused for their length, or for the memory that they take together.
TEST_F(FloodTest, OfBigMessagesTakesABoundedPartOfTheMemory) {
  EXPECT_THAT(Flood("big 10"), Not(HasSubstr("OK")));
}

TEST_F(FloodTest, OfReadersIsLimitedByTheReadersOfOneAgent) {
  EXPECT_THAT(Flood("streams 10000"), HasSubstr("max_readers_per_agent"));
}

TEST_F(FloodTest, OfEventsThatAreNeverReadIsCutOff) {
  // Its session goes on, and so do its calls; what it was to be told is lost until it comes back.
  EXPECT_THAT(Flood("unread 1500"), HasSubstr("UNAVAILABLE"));
}

}  // namespace
}  // namespace causeway
