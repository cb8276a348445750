// How long it takes until a writer can write its first frame, for streams of any capacity.
//
//   bazel run -c opt //tests/bench:open_cost

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/cli/table.h"
#include "agents/writer.h"
#include "control/coordinator.h"
#include "control/log/log.h"
#include "mmapcore/allocate.h"
#include "mmapcore/deadline.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapped_segment.h"
#include "mmapcore/testing/scratch_directory.h"
#include "tests/console/flags.h"

namespace causeway::bench {
namespace {

struct Flags {
  std::vector<uint64_t> capacities = {64 << 20, 256 << 20, uint64_t{1} << 30, uint64_t{4} << 30};
  int rounds = 9;
  std::string volatile_dir;
  bool small_pages = false;
};

// One writer: opened, and written to. Nanoseconds.
struct Opening {
  double open = 0;         // OpenWriter()
  double first_frame = 0;  // and one frame
  double whole = 0;        // what it would take to allocate and map all of the capacity
};

double Since(int64_t begin) { return static_cast<double>(Deadline::NowNanos() - begin); }

absl::StatusOr<Opening> OpenOnce(Agent& agent, uint64_t capacity, const std::string& name) {
  Opening opening;
  const int64_t begin = Deadline::NowNanos();
  auto writer = agent.OpenWriter(name, {.stream = {.capacity_bytes = capacity}});
  if (!writer.ok()) return writer.status();
  opening.open = Since(begin);
  const auto room = (*writer)->Claim(64, absl::Seconds(10));
  if (!room.ok()) return room.status();
  if (!(*writer)->Commit(64)) return absl::InternalError("commit failed");
  opening.first_frame = Since(begin);
  const absl::Status closed = (*writer)->Close();
  if (!closed.ok()) return closed;
  return opening;
}

// As if the first frame had to wait until all of the capacity is there.
absl::StatusOr<double> AllocateAll(const std::string& directory, uint64_t capacity) {
  const std::string path = absl::StrCat(directory, "/whole");
  absl::StatusOr<MappedFile> file = MappedFile::Create(path, 0600);
  if (!file.ok()) return file.status();
  unlink(path.c_str());
  const int64_t begin = Deadline::NowNanos();
  absl::Status status = AllocateExtent(*file, 0, capacity);
  if (status.ok()) status = PopulateExtent(*file, 0, capacity);
  if (status.ok()) status = MapSegmentForWriting(*file, {0, capacity}).status();
  if (!status.ok()) return status;
  return Since(begin);
}

double Median(std::vector<Opening> openings, double Opening::* value) {
  std::sort(openings.begin(), openings.end(),
            [value](const Opening& a, const Opening& b) { return a.*value < b.*value; });
  return openings[openings.size() / 2].*value;
}

double Longest(const std::vector<Opening>& openings, double Opening::* value) {
  double longest = 0;
  for (const Opening& opening : openings) longest = std::max(longest, opening.*value);
  return longest;
}

absl::Status Measure(const Flags& flags) {
  const testing::ScratchDirectory scratch;
  CoordinatorOptions options = {.directory = scratch.File("coordinator")};
  options.volatile_directory = flags.volatile_dir;
  if (flags.small_pages) options.huge_pages = HugePages::kOff;
  options.ephemeral = true;
  options.limits.max_capacity_bytes_per_lane = uint64_t{64} << 30;
  auto coordinator = Coordinator::Start(options);
  if (!coordinator.ok()) return coordinator.status();
  AgentOptions agent_options;
  agent_options.dir = options.directory;
  agent_options.name = "open-cost";
  auto agent = Agent::Attach(std::move(agent_options));
  if (!agent.ok()) return agent.status();

  TextTable table({{"CAPACITY", Column::Kind::kNumber},
                   {"OPEN", Column::Kind::kNumber},
                   {"MAX", Column::Kind::kNumber},
                   {"TO THE FIRST FRAME", Column::Kind::kNumber},
                   {"MAX", Column::Kind::kNumber},
                   {"IF ALL WERE ALLOCATED", Column::Kind::kNumber}});
  for (const uint64_t capacity : flags.capacities) {
    std::vector<Opening> openings;
    for (int i = 0; i < flags.rounds; ++i) {
      absl::StatusOr<Opening> opening =
          OpenOnce(**agent, capacity, absl::StrCat("open-", capacity, "-", i));
      if (!opening.ok()) return opening.status();
      openings.push_back(*opening);
    }
    const absl::StatusOr<double> whole =
        AllocateAll((*coordinator)->volatile_directory(), capacity);
    table.AddRow({GroupDigits(capacity), HumanDuration(Median(openings, &Opening::open)),
                  HumanDuration(Longest(openings, &Opening::open)),
                  HumanDuration(Median(openings, &Opening::first_frame)),
                  HumanDuration(Longest(openings, &Opening::first_frame)),
                  whole.ok() ? HumanDuration(*whole) : std::string(whole.status().message())});
  }
  std::printf("opening a writer of a new stream, median and longest of %d\n%s", flags.rounds,
              table.Render(0).c_str());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app(
      "Opens writers of new streams of several capacities, with the client library and a "
      "coordinator, and times OpenWriter() and all until the first frame is committed. Beside it: "
      "how long it takes to allocate and map the whole capacity. Exit status 1: a stream could not "
      "be opened.");
  app.name("open_cost");
  app.add_option("--capacities", flags.capacities,
                 "Bytes, with commas between (default 64MiB,256MiB,1GiB,4GiB)")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--rounds", flags.rounds, "Openings of each (default 9)")
      ->check(CLI::Range(1, 50));
  app.add_option("--volatile_dir", flags.volatile_dir,
                 "A directory that is not there yet, for instance on a tmpfs with huge pages; its "
                 "parent exists\n(default: one in /dev/shm)");
  app.add_flag("--small_pages", flags.small_pages,
               "No huge pages, even where the volatile directory has them");
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  LogToStandardError(LogLevel::kWarning);
  const absl::Status measured = Measure(flags);
  if (measured.ok()) return 0;
  std::fprintf(stderr, "open_cost: %s\n", measured.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace causeway::bench

int main(int argc, char** argv) { return causeway::bench::Main(argc, argv); }
