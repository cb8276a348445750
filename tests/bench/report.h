// What was measured, for people and for programs.

#ifndef CAUSEWAY_TESTS_BENCH_REPORT_H_
#define CAUSEWAY_TESTS_BENCH_REPORT_H_

#include <string>
#include <vector>

#include "tests/bench/ratios.h"
#include "tests/bench/rounds.h"

namespace causeway::bench {

// A comparison and how it came out.
struct Result {
  Comparison comparison;
  Quantity quantity = Quantity::kRate;
  std::vector<Series> series;
};

// Titles and tables; `width` as for TextTable::Render(). Peers that took no part stand below their
// table, with the reason.
std::string RenderTables(const Result& result, size_t width);

// An object with the machine, the options, what each party's setting was, and `results`: one entry
// for each party of each comparison, with a number for each round, medians and ratios. One line.
std::string RenderJson(const std::vector<Result>& results, const RoundsOptions& options);

// True if nobody came to a wrong result: parties that could not be measured do not count.
bool AllChecksumsRight(const std::vector<Result>& results);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_REPORT_H_
