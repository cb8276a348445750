// How long it takes until a reader hears that a writer was killed, and a writer that a reader was:
// from kill() to the event, through two notices of the kernel, a commit and a datagram.
//
//   bazel run -c opt //control:death_benchmark
//
// --help has the flags. --busy counts processes that never sleep, as readers that spin do: more of
// them than there are cores, and everything that wakes has to compete for one.

#include <signal.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "control/process/testing/child_process.h"
#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"
#include "tests/console/flags.h"

namespace causeway {
namespace {

using testing::AgentsClient;
using testing::ChildProcess;
using testing::CoordinatorProcess;
using testing::ForkedAgent;
using testing::TestAgent;

using Clock = std::chrono::steady_clock;

void Print(const char* what, std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double part) {
    return ms[std::min(ms.size() - 1, static_cast<size_t>(part * static_cast<double>(ms.size())))];
  };
  printf("%-12s %zu kills: p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", what, ms.size(), at(0.5),
         at(0.99), ms.back());
}

double KillAndWait(ForkedAgent& victim, TestAgent& witness, v1::HandoffEvent::EventCase event) {
  const Clock::time_point begin = Clock::now();
  victim.process().Kill();
  if (witness.ReceiveUntil(event).event.event_case() != event) abort();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void Run(const std::string& directory, int kills, int busy) {
  std::deque<ChildProcess> busy_processes;
  for (int i = 0; i < busy; ++i) {
    busy_processes.emplace_back([] {
      for (volatile uint64_t turns = 0;;) turns = turns + 1;
    });
  }
  CoordinatorProcess coordinator(directory, {"--ephemeral", "--log_level=error"});
  TestAgent witness(directory);
  AgentsClient witness_calls(directory, witness.token());
  v1::OpenReaderRequest reader;
  reader.set_stream("video");
  reader.set_create_if_missing(true);
  v1::OpenWriterRequest writer;
  writer.set_stream("video");
  const auto opened = witness_calls.OpenReader(reader);
  if (!opened.ok()) abort();

  std::vector<double> writers, readers;
  for (int i = 0; i < kills; ++i) {
    ForkedAgent victim(directory);
    const auto lane = AgentsClient(directory, victim.token()).OpenWriter(writer);
    if (!lane.ok()) abort();
    writers.push_back(KillAndWait(victim, witness, v1::HandoffEvent::kLaneEnded));
    v1::ReleaseLaneRequest release;
    release.set_reader_id(opened->reader_id());
    release.set_lane_id(lane->lane_id());
    if (!witness_calls.ReleaseLane(release).ok()) abort();
  }
  if (!witness_calls.OpenWriter(writer).ok()) abort();
  for (int i = 0; i < kills; ++i) {
    ForkedAgent victim(directory);
    if (!AgentsClient(directory, victim.token()).OpenReader(reader).ok()) abort();
    readers.push_back(KillAndWait(victim, witness, v1::HandoffEvent::kReaderLeft));
  }
  Print("LaneEnded", writers);
  Print("ReaderLeft", readers);
  coordinator.Terminate();
  coordinator.Wait();
}

int Main(int argc, char** argv) {
  int kills = 200;
  int busy = 0;
  CLI::App app(
      "Kills writers, then readers, and measures how long it takes from kill() until another agent "
      "is told.",
      "death_benchmark");
  app.add_option("--kills", kills, "Of writers, and of readers")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--busy", busy, "Processes beside them that never sleep")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  testing::ServedDirectory served;
  Run(served.path(), kills, busy);
  return 0;
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) { return causeway::Main(argc, argv); }
