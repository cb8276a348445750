// Charts, drawn by gnuplot.

#ifndef CAUSEWAY_TESTS_BENCH_PLOT_H_
#define CAUSEWAY_TESTS_BENCH_PLOT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/report.h"

namespace causeway::bench {

// Before hours are spent on measuring: whether Plot() could draw to `path`. OK if it is empty.
// InvalidArgument: not .svg or .png. FailedPrecondition: gnuplot is not installed.
absl::Status CheckPlot(const std::string& path);

// Draws one panel for each measure: the medians of every party over the size of frames.
// Unavailable: gnuplot failed; its own words are on standard error.
absl::Status Plot(const std::vector<Result>& results, const std::string& path);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_PLOT_H_
