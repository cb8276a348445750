// Instructions for each frame, counted by valgrind's callgrind: no machine is too busy for it.
//
//   bazel run -c opt //tests/bench:lane_cost
//
// Counted is what happens inside of two functions, MeasuredWrite() and MeasuredRead(), rolls
// included, after a warm-up that is not.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/cli/table.h"
#include "tests/bench/cost_ends.h"

namespace causeway::bench {

// Not in line, and with names that callgrind finds.
[[gnu::noinline]] bool MeasuredWrite(CostEnds& ends, size_t streams, size_t frames) {
  const bool done = ends.Write(streams, frames);
  asm volatile("" ::: "memory");  // No tail call: it would end the function.
  return done;
}

[[gnu::noinline]] bool MeasuredRead(CostEnds& ends, size_t streams, size_t frames) {
  const bool done = ends.Read(streams, frames);
  asm volatile("" ::: "memory");
  return done;
}

namespace {

constexpr char kHelp[] = R"(Usage: lane_cost [readers|streams|client]

Prints the instructions that a frame costs its writer (claim and commit) and a reader (next), as
callgrind counts them:

  readers  for 1 to 64 readers of a lane, with loads and stores, and with the misses of callgrind's
           cache, which is as large as the first one of this machine
  streams  for 1 to 1,000 open lanes, one of which is used, or all in turn
  client   the client library beside the lane, for 1 and for 1,000 open streams

Without an argument: all three, which takes some minutes. Needs the package valgrind. Exit status 1:
it is not there.
)";

constexpr char kWork[] = "work";
constexpr size_t kReaders[] = {1, 2, 4, 8, 16, 32, 64};
constexpr size_t kMostStreams = 1000;
constexpr size_t kStreams[] = {1, 10, 100, kMostStreams};

// Frames that are written to a stream before they are read: some fit into a segment.
constexpr size_t kBatch = 400;
// More than a writer wants to see without a sleeper, and some rolls: then it has stopped to look
// for sleepers.
constexpr size_t kWarmUpBatches = 14;
constexpr size_t kLeastFrames = 40'000;
// Of each stream: a roll or two are among its frames.
constexpr size_t kLeastBatches = 5;

// What a process does.
struct Work {
  std::string ends;    // "lanes" or "client"
  size_t streams = 1;  // open
  size_t spread = 1;   // over so many of them go the frames, in turn
  size_t readers = 1;  // of each stream
};

size_t BatchesOf(const Work& work) {
  return std::max(kLeastBatches, kLeastFrames / kBatch / work.spread);
}

absl::StatusOr<std::unique_ptr<CostEnds>> MakeEnds(const Work& work) {
  if (work.ends == "client") return MakeClientEnds(work.streams);
  return MakeLaneEnds(work.streams, work.readers);
}

int Do(const Work& work) {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const absl::StatusOr<std::unique_ptr<CostEnds>> ends = MakeEnds(work);
  if (!ends.ok()) {
    std::fprintf(stderr, "%s\n", ends.status().ToString().c_str());
    return 1;
  }
  for (size_t i = 0; i < kWarmUpBatches; ++i) {
    if (!(*ends)->Write(work.streams, kBatch) || !(*ends)->Read(work.streams, kBatch)) return 1;
    if (!(*ends)->CatchUp(work.streams)) return 1;
  }
  for (size_t i = 0; i < BatchesOf(work); ++i) {
    if (!MeasuredWrite(**ends, work.spread, kBatch)) return 1;
    if (!MeasuredRead(**ends, work.spread, kBatch)) return 1;
    if (!(*ends)->CatchUp(work.spread)) return 1;
  }
  (*ends)->Abandon();
  std::fflush(nullptr);
  _exit(0);  // Closing a thousand streams is not counted, and takes minutes under valgrind.
}

// Of one frame. The cache is callgrind's: of the first level, as large as this machine's.
struct Cost {
  double instructions = 0;
  double loads = 0;
  double stores = 0;
  double misses = 0;  // loads and stores of lines that were not there
};

// Does the work in a process under callgrind, and counts in this function. Nothing could be
// counted: `error` says why.
std::optional<Cost> CostIn(const char* function, const Work& work, std::string& error) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (length <= 0) return std::nullopt;
  self[length] = '\0';
  const std::string command = absl::StrCat(
      "exec valgrind --tool=callgrind --callgrind-out-file=/dev/null --cache-sim=yes "
      "--toggle-collect='*",
      function, "*' '", self, "' ", kWork, " ", work.ends, " ", work.streams, " ", work.spread, " ",
      work.readers, " 2>&1");
  FILE* const valgrind = popen(command.c_str(), "r");
  if (valgrind == nullptr) return std::nullopt;
  // Instructions, loads, stores; of the first level, misses of these three.
  double counts[6] = {};
  int found = 0;
  char line[1024];
  std::string last;
  while (std::fgets(line, sizeof(line), valgrind) != nullptr) {
    const char* const collected = std::strstr(line, "Collected : ");
    if (collected != nullptr) {
      found = std::sscanf(collected + 12, "%lf %lf %lf %lf %lf %lf", &counts[0], &counts[1],
                          &counts[2], &counts[3], &counts[4], &counts[5]);
    }
    last = line;
  }
  if (pclose(valgrind) != 0 || found != 6 || counts[0] <= 0) {
    error = absl::StrCat("valgrind: ", last, "; apt-get install valgrind");
    return std::nullopt;
  }
  const auto frames = static_cast<double>(BatchesOf(work) * kBatch * work.spread);
  return Cost{.instructions = counts[0] / frames,
              .loads = counts[1] / frames,
              .stores = counts[2] / frames,
              .misses = (counts[4] + counts[5]) / frames};
}

std::string Shown(double count) { return absl::StrFormat("%.1f", count); }

// What MeasuredWrite() and MeasuredRead() cost. Nothing: an error was printed.
std::optional<std::pair<Cost, Cost>> CostsOf(const Work& work) {
  std::string error;
  const std::optional<Cost> write = CostIn("MeasuredWrite", work, error);
  const std::optional<Cost> read =
      write.has_value() ? CostIn("MeasuredRead", work, error) : std::nullopt;
  if (read.has_value()) return std::make_pair(*write, *read);
  std::fprintf(stderr, "lane_cost: %s\n", error.c_str());
  return std::nullopt;
}

bool PrintReaders() {
  TextTable table({{"READERS", Column::Kind::kNumber},
                   {"CLAIM AND COMMIT", Column::Kind::kNumber},
                   {"LOADS", Column::Kind::kNumber},
                   {"STORES", Column::Kind::kNumber},
                   {"MISSES", Column::Kind::kNumber},
                   {"NEXT", Column::Kind::kNumber},
                   {"LOADS", Column::Kind::kNumber},
                   {"STORES", Column::Kind::kNumber}});
  for (const size_t readers : kReaders) {
    const auto costs = CostsOf({.ends = "lanes", .readers = readers});
    if (!costs.has_value()) return false;
    const auto& [write, read] = *costs;
    table.AddRow({absl::StrCat(readers), Shown(write.instructions), Shown(write.loads),
                  Shown(write.stores), absl::StrFormat("%.2f", write.misses),
                  Shown(read.instructions), Shown(read.loads), Shown(read.stores)});
  }
  std::printf("instructions for each frame of %zu bytes, one lane\n%s\n", kCostFrameBytes,
              table.Render(0).c_str());
  std::fflush(stdout);
  return true;
}

bool PrintStreams() {
  TextTable table({{"STREAMS", Column::Kind::kNumber},
                   {"ONE OF THEM: CLAIM AND COMMIT", Column::Kind::kNumber},
                   {"NEXT", Column::Kind::kNumber},
                   {"IN TURN: CLAIM AND COMMIT", Column::Kind::kNumber},
                   {"NEXT", Column::Kind::kNumber}});
  for (const size_t streams : kStreams) {
    const auto one = CostsOf({.ends = "lanes", .streams = streams});
    const auto all = one.has_value()
                         ? CostsOf({.ends = "lanes", .streams = streams, .spread = streams})
                         : std::nullopt;
    if (!all.has_value()) return false;
    table.AddRow({absl::StrCat(streams), Shown(one->first.instructions),
                  Shown(one->second.instructions), Shown(all->first.instructions),
                  Shown(all->second.instructions)});
  }
  std::printf("the same for one of many open lanes, and for all in turn\n%s\n",
              table.Render(0).c_str());
  std::fflush(stdout);
  return true;
}

bool PrintClient() {
  TextTable table({{"", Column::Kind::kText},
                   {"STREAMS", Column::Kind::kNumber},
                   {"CLAIM AND COMMIT", Column::Kind::kNumber},
                   {"NEXT", Column::Kind::kNumber}});
  for (const Work& work :
       {Work{.ends = "lanes"}, Work{.ends = "client"},
        Work{.ends = "client", .streams = kMostStreams},
        Work{.ends = "client", .streams = kMostStreams, .spread = kMostStreams}}) {
    const std::string what = work.ends == "lanes" ? "lane"
                             : work.spread > 1    ? "client, in turn"
                                                  : "client";
    const auto costs = CostsOf(work);
    if (!costs.has_value()) return false;
    table.AddRow({what, absl::StrCat(work.streams), Shown(costs->first.instructions),
                  Shown(costs->second.instructions)});
  }
  std::printf("the client library beside the lane\n%s", table.Render(0).c_str());
  return true;
}

int Main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  Work work;
  if (word == kWork && argc == 6 && absl::SimpleAtoi(argv[3], &work.streams) &&
      absl::SimpleAtoi(argv[4], &work.spread) && absl::SimpleAtoi(argv[5], &work.readers)) {
    work.ends = argv[2];
    return Do(work);
  }
  if (word == "--help") {
    std::fputs(kHelp, stdout);
    return 0;
  }
  const bool all = argc == 1;
  if (!all && word != "readers" && word != "streams" && word != "client") {
    std::fprintf(stderr, "lane_cost: unexpected argument %s; see --help\n", argv[1]);
    return 2;
  }
  const bool done = (!(all || word == "readers") || PrintReaders()) &&
                    (!(all || word == "streams") || PrintStreams()) &&
                    (!(all || word == "client") || PrintClient());
  return done ? 0 : 1;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) { return causeway::bench::Main(argc, argv); }
