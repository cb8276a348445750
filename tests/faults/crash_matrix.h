// Kills real processes at every crash point, under load, and judges what the survivors saw.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_MATRIX_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_MATRIX_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agents/cli/latency.h"

namespace causeway::faults {

struct CrashMatrixOptions {
  uint64_t seed = 1;
  uint64_t cycles = 200;
  // Only this point, or those that begin with it; only this actor: writer, reader, coordinator or
  // copy_worker. Empty: all.
  std::string point;
  std::string actor;
  // Cycles between two looks at what was left behind.
  uint64_t cycles_per_rest = 50;
  // Called after each cycle. May be empty.
  std::function<void(uint64_t cycles, const std::string& text)> on_cycle;
  // Called with each violation when it is found. May be empty.
  std::function<void(const std::string& text)> on_violation;
  // Asked after each cycle; true: that was the last one. May be empty.
  std::function<bool()> stops;
};

// Of one point.
struct CrashCoverage {
  uint64_t passings = 0;
  std::map<std::string, uint64_t> kills;  // by actor
  uint64_t misses = 0;                    // armed, and not passed in time
};

struct CrashMatrixSummary {
  uint64_t cycles = 0;
  uint64_t kills = 0;
  uint64_t kills_in_recovery = 0;  // of them, while the survivors still had the last one to master
  uint64_t rests = 0;
  uint64_t lanes = 0;
  uint64_t frames = 0;  // read and judged
  uint64_t gaps = 0;
  std::map<std::string, CrashCoverage> points;
  // From a kill to what the name says.
  std::map<std::string, LatencyRecorder> recoveries;
  std::string books;                    // at the last rest
  std::vector<std::string> violations;  // each with what it takes to see it again
};

// Runs, for as long as it takes. Uses the programs of :crashing, a folder of its own below /tmp and
// one below /dev/shm; both are removed. To be called from the main thread.
CrashMatrixSummary RunCrashMatrix(const CrashMatrixOptions& options);

// Tables for people.
std::string ToText(const CrashMatrixSummary& summary);

// "name file:line" of every crash point of every program.
std::vector<std::string> ListCrashPoints();

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_MATRIX_H_
