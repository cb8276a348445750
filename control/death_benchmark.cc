// How long it takes until a reader hears that a writer was killed, and a writer that a reader was:
// from kill() to the event, through two notices of the kernel, a commit and a datagram.
//
//   bazel run -c opt //control:death_benchmark -- [kills]

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "control/testing/coordinator_process.h"
#include "control/testing/rpc_client.h"
#include "control/testing/served_directory.h"
#include "control/testing/test_agent.h"

namespace causeway {
namespace {

using testing::AgentsClient;
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

void Run(const std::string& directory, int kills) {
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

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) {
  causeway::testing::ServedDirectory served;
  causeway::Run(served.path(), argc > 1 ? atoi(argv[1]) : 200);
  return 0;
}
