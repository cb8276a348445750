#include "tests/bench/report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/cli/table.h"
#include "nlohmann/json.hpp"
#include "tests/bench/parties.h"

namespace causeway::bench {
namespace {

using ::nlohmann::json;

std::string HumanRate(double per_second) {
  if (per_second >= 1e6) return absl::StrFormat("%.2f M", per_second / 1e6);
  if (per_second >= 1e3) return absl::StrFormat("%.2f k", per_second / 1e3);
  return absl::StrFormat("%.1f", per_second);
}

std::string HumanRatio(double ratio) {
  if (ratio == 0) return "-";
  return absl::StrFormat("%.*f", ratio >= 99.95 ? 0 : ratio >= 9.995 ? 1 : 2, ratio);
}

std::string HumanCount(double first, double last) {
  const auto one = [](double count) {
    return count < 0 ? std::string("?") : absl::StrFormat("%.0f", count);
  };
  return absl::StrCat(one(first), " / ", one(last));
}

std::string Plain(std::string_view text) { return std::string(text); }

// The first limit that took turns: what the others are divided by.
const Series* LimitOf(const Result& result) {
  for (const Series& series : result.series) {
    if (series.party->rank == Rank::kLimit && !series.turns.empty()) return &series;
  }
  return nullptr;
}

double MedianOf(const Series& series, double Percentiles::* percentile) {
  std::vector<double> values;
  for (const Turn& turn : series.turns) values.push_back(turn.latency.*percentile);
  return Median(std::move(values));
}

double LargestMaximum(const Series& series) {
  double largest = 0;
  for (const Turn& turn : series.turns) largest = std::max(largest, turn.latency.max);
  return largest;
}

// How many times better `ours` is than `series`.
double TimesBetter(const Series& ours, const Series& series, Quantity quantity) {
  return quantity == Quantity::kRate ? RatioOf(ours, series, quantity).median
                                     : RatioOf(series, ours, quantity).median;
}

std::vector<const Series*> Ours(const Result& result) {
  std::vector<const Series*> ours;
  for (const Series& series : result.series) {
    if (series.party->rank == Rank::kOurs && !series.turns.empty()) ours.push_back(&series);
  }
  return ours;
}

json Machine() {
  utsname name = {};
  uname(&name);
  std::string model;
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; model.empty() && std::getline(cpuinfo, line);) {
    if (line.rfind("model name", 0) == 0) model = line.substr(line.find(':') + 2);
  }
  return {{"cores", sysconf(_SC_NPROCESSORS_ONLN)},
          {"kernel", name.release},
          {"machine", name.machine},
          {"processor", model}};
}

json PercentilesJson(const Series& series) {
  return {{"middle_ns", MedianOf(series, &Percentiles::middle)},
          {"p50_ns", MedianOf(series, &Percentiles::p50)},
          {"p99_ns", MedianOf(series, &Percentiles::p99)},
          {"p999_ns", MedianOf(series, &Percentiles::p999)},
          {"max_ns", LargestMaximum(series)}};
}

json SeriesJson(const Result& result, const Series& series) {
  const double median_rate = Median(Values(series, Quantity::kRate));
  json entry = {{"measure", result.comparison.measure},
                {"topology", result.comparison.shape.name},
                {"frame_bytes", result.comparison.frame_bytes},
                {"party", Plain(series.party->name)}};
  if (!series.failure.empty()) entry["failure"] = series.failure;
  if (series.turns.empty()) return entry;
  entry["rounds"] = Values(series, result.quantity);
  entry["frames_per_second"] = median_rate;
  entry["bytes_per_second"] = median_rate * static_cast<double>(result.comparison.frame_bytes);
  if (result.quantity == Quantity::kRoundTrip) entry["latency"] = PercentilesJson(series);
  if (series.live_bytes > 0) entry["live_bytes"] = series.live_bytes;
  const auto per_million = [](double first, double last) {
    return json::array({first < 0 ? json() : json(first), last < 0 ? json() : json(last)});
  };
  entry["page_faults_per_million"] = per_million(series.faults_first, series.faults_last);
  entry["system_calls_per_million"] = per_million(series.calls_first, series.calls_last);
  for (const Series& other : result.series) {
    if (&other == &series || other.turns.empty()) continue;
    const Ratio ratio = RatioOf(series, other, result.quantity);
    entry["ratio_to"][Plain(other.party->name)] = {{"median", ratio.median}, {"best", ratio.best}};
  }
  return entry;
}

}  // namespace

std::string RenderTables(const Result& result, size_t width) {
  const bool rate = result.quantity == Quantity::kRate;
  const Series* const limit = LimitOf(result);
  std::vector<Column> columns = {{"PARTY", Column::Kind::kText}};
  const auto number = [&columns](std::string title) {
    columns.push_back({std::move(title), Column::Kind::kNumber});
  };
  for (const char* title : rate ? std::vector<const char*>{"FRAMES/S", "BYTES/S"}
                                : std::vector<const char*>{"P50", "P99", "P99.9", "MAX"}) {
    number(title);
  }
  const std::string base = limit == nullptr ? "LIMIT" : absl::StrCat(Plain(limit->party->name));
  number(absl::StrCat("/ ", base));
  number("BEST");
  for (const Series* ours : Ours(result)) {
    number(absl::StrCat(Plain(ours->party->name), " IS x"));
  }
  number("FAULTS/M");
  number("CALLS/M");
  TextTable table(std::move(columns));
  std::string absent;
  for (const Series& series : result.series) {
    const std::string name = Plain(series.party->name);
    if (!series.failure.empty()) absl::StrAppend(&absent, "  ", name, ": ", series.failure, "\n");
    if (series.turns.empty()) continue;
    std::vector<std::string> cells = {name};
    if (rate) {
      const double frames = Median(Values(series, Quantity::kRate));
      cells.push_back(HumanRate(frames));
      cells.push_back(HumanBytes(frames * static_cast<double>(result.comparison.frame_bytes)));
    } else {
      for (double Percentiles::* percentile :
           {&Percentiles::p50, &Percentiles::p99, &Percentiles::p999}) {
        cells.push_back(HumanDuration(MedianOf(series, percentile)));
      }
      cells.push_back(HumanDuration(LargestMaximum(series)));
    }
    const Ratio ratio = limit == nullptr ? Ratio() : RatioOf(series, *limit, result.quantity);
    cells.push_back(HumanRatio(ratio.median));
    cells.push_back(HumanRatio(ratio.best));
    for (const Series* ours : Ours(result)) {
      cells.push_back(ours == &series ? ""
                                      : HumanRatio(TimesBetter(*ours, series, result.quantity)));
    }
    cells.push_back(HumanCount(series.faults_first, series.faults_last));
    cells.push_back(HumanCount(series.calls_first, series.calls_last));
    table.AddRow(std::move(cells));
  }
  return absl::StrCat(result.comparison.measure, ", ", result.comparison.shape.name, ", frames of ",
                      GroupDigits(result.comparison.frame_bytes), " bytes\n", table.Render(width),
                      absent.empty() ? "" : absl::StrCat("Left out:\n", absent), "\n");
}

std::string RenderJson(const std::vector<Result>& results, const RoundsOptions& options) {
  json report = {
      {"machine", Machine()},
      {"options",
       {{"rounds", options.rounds}, {"seconds", options.seconds}, {"pinned", options.pinned}}},
      {"parties", json::object()},
      {"results", json::array()}};
  for (const Result& result : results) {
    for (const Series& series : result.series) {
      const Party& party = *series.party;
      json& entry = report["parties"][Plain(party.name)];
      entry["setting"] = Plain(party.setting);
      entry["installed"] = party.make != nullptr;
      if (!party.package.empty()) entry["package"] = Plain(party.package);
      report["results"].push_back(SeriesJson(result, series));
    }
  }
  return report.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

bool AllChecksumsRight(const std::vector<Result>& results) {
  for (const Result& result : results) {
    for (const Series& series : result.series) {
      if (series.failure.find("CHECKSUM") != std::string::npos) return false;
    }
  }
  return true;
}

}  // namespace causeway::bench
