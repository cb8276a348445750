// Instructions for each frame, counted by valgrind's callgrind: no machine is too busy for it.
//
//   bazel run -c opt //tests/bench:lane_cost
//
// Each figure is the difference of two runs that differ in their number of frames alone, so that
// neither beginnings nor ends count.

#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/cli/table.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/sleep_watch.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway::bench {
namespace {

constexpr char kWork[] = "work";
constexpr uint64_t kFrames = 20'000;
constexpr uint64_t kFrameBytes = 64;
constexpr int kReaders[] = {1, 2, 4, 8, 16, 32, 64};

// The first frames are more than a segment holds, so that the writer has rolled, and stopped to
// look for readers that sleep; of those that are counted, one or two roll.
constexpr testing::TestLaneOptions kLaneOptions = {
    .segment_bytes = 1 << 20, .capacity_bytes = 64 << 20, .max_frame_bytes = 1 << 20};

// Writes `written` frames to `readers` readers, one of which then reads `read` of them.
int Work(uint64_t readers, uint64_t written, uint64_t read) {
  SleepWatch watch;
  testing::TestLaneOptions options = kLaneOptions;
  options.sleep_watch = &watch;
  testing::TestLane lane(options);
  std::vector<std::unique_ptr<LaneReader>> all;
  for (uint64_t i = 0; i < readers; ++i) all.push_back(lane.Join(i + 1));
  LaneWriter& writer = lane.writer();
  for (uint64_t i = 0; i < written; ++i) {
    const Claim claim = writer.TryClaim(kFrameBytes);
    if (!claim || !writer.Commit(kFrameBytes)) return 1;
  }
  for (uint64_t i = 0; i < read; ++i) {
    if (!all.front()->TryNext()) return 1;
  }
  return 0;
}

// Runs Work() in a process under callgrind. The instructions; negative: it could not be done, and
// `error` says why.
int64_t Instructions(uint64_t readers, uint64_t written, uint64_t read, std::string& error) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (length <= 0) return -1;
  self[length] = '\0';
  const std::string command =
      absl::StrCat("exec valgrind --tool=callgrind --callgrind-out-file=/dev/null '", self, "' ",
                   kWork, " ", readers, " ", written, " ", read, " 2>&1");
  FILE* const valgrind = popen(command.c_str(), "r");
  if (valgrind == nullptr) return -1;
  int64_t instructions = -1;
  char line[1024];
  std::string last;
  while (std::fgets(line, sizeof(line), valgrind) != nullptr) {
    const char* const found = std::strstr(line, "Collected : ");
    if (found != nullptr) instructions = std::strtoll(found + 12, nullptr, 10);
    last = line;
  }
  const int status = pclose(valgrind);
  if (status != 0) {
    error = absl::StrCat("valgrind: ", last);
    return -1;
  }
  return instructions;
}

int Main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  uint64_t numbers[3];
  if (word == kWork && argc == 5 && absl::SimpleAtoi(argv[2], &numbers[0]) &&
      absl::SimpleAtoi(argv[3], &numbers[1]) && absl::SimpleAtoi(argv[4], &numbers[2])) {
    return Work(numbers[0], numbers[1], numbers[2]);
  }
  if (word == "--help") {
    std::puts(
        "Usage: lane_cost\n\nPrints the instructions that a frame costs its writer (claim and"
        " commit) and a reader\n(next), for 1 to 64 readers. Needs the package valgrind.");
    return 0;
  }
  if (argc > 1) {
    std::fprintf(stderr, "lane_cost: unexpected argument %s; see --help\n", argv[1]);
    return 2;
  }
  Table table({{"READERS", Column::Kind::kNumber},
               {"CLAIM AND COMMIT", Column::Kind::kNumber},
               {"NEXT", Column::Kind::kNumber}});
  for (const int readers : kReaders) {
    const auto count = static_cast<uint64_t>(readers);
    std::string error;
    const int64_t once = Instructions(count, kFrames, 0, error);
    const int64_t twice = Instructions(count, 2 * kFrames, 0, error);
    const int64_t read = Instructions(count, 2 * kFrames, kFrames, error);
    if (once < 0 || twice < 0 || read < 0) {
      std::fprintf(stderr, "lane_cost: %s; apt-get install valgrind\n", error.c_str());
      return 1;
    }
    const auto each = [](int64_t instructions) {
      return absl::StrFormat("%.1f", static_cast<double>(instructions) / kFrames);
    };
    table.AddRow({absl::StrCat(readers), each(twice - once), each(read - twice)});
  }
  std::printf("instructions for each frame of %d bytes\n%s", static_cast<int>(kFrameBytes),
              table.Render(0).c_str());
  return 0;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) { return causeway::bench::Main(argc, argv); }
