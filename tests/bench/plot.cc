#include "tests/bench/plot.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/bench/parties.h"

namespace causeway::bench {
namespace {

bool OnPath(const std::string& program) {
  const char* const path = std::getenv("PATH");
  for (const absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    std::error_code ignored;
    if (std::filesystem::exists(std::filesystem::path(std::string(folder)) / program, ignored)) {
      return true;
    }
  }
  return false;
}

// As gnuplot reads it between double quotes.
std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

struct Panel {
  Quantity quantity = Quantity::kRate;
  // Of each party, in the order of the turns: lines of "bytes value".
  std::vector<const Party*> parties;
  std::map<const Party*, std::string> points;
};

std::vector<std::pair<std::string, Panel>> PanelsOf(const std::vector<Result>& results) {
  std::vector<std::pair<std::string, Panel>> panels;
  for (const Result& result : results) {
    const std::string& title = result.comparison.measure;
    if (panels.empty() || panels.back().first != title) panels.emplace_back(title, Panel());
    Panel& panel = panels.back().second;
    panel.quantity = result.quantity;
    for (const Series& series : result.series) {
      if (series.turns.empty()) continue;
      std::string& points = panel.points[series.party];
      if (points.empty()) panel.parties.push_back(series.party);
      const double value = Median(Values(series, result.quantity));
      const double bytes = static_cast<double>(result.comparison.frame_bytes);
      absl::StrAppendFormat(&points, "%.0f %.6g\n", bytes,
                            result.quantity == Quantity::kRate ? value * bytes / 1e9 : value / 1e3);
    }
  }
  return panels;
}

std::string ScriptFor(const std::vector<Result>& results, const std::string& path) {
  const auto panels = PanelsOf(results);
  std::string script;
  for (size_t i = 0; i < panels.size(); ++i) {
    for (const Party* party : panels[i].second.parties) {
      absl::StrAppend(&script, "$d", i, "_", party - Parties().data(), " << EOD\n",
                      panels[i].second.points.at(party), "EOD\n");
    }
  }
  const bool svg = path.size() > 4 && path.substr(path.size() - 4) == ".svg";
  absl::StrAppend(&script, "set terminal ", svg ? "svg" : "pngcairo", " size 1000,",
                  420 * panels.size(), " background rgb 'white'\nset output ", Quoted(path),
                  "\nset multiplot layout ", panels.size(),
                  ",1\nset logscale xy\nset grid\nset key outside right\n"
                  "set xlabel 'bytes of a frame'\n");
  for (size_t i = 0; i < panels.size(); ++i) {
    const auto& [title, panel] = panels[i];
    absl::StrAppend(&script, "set title ", Quoted(title), "\nset ylabel '",
                    panel.quantity == Quantity::kRate ? "GB/s" : "round trip, us", "'\nplot ");
    for (size_t k = 0; k < panel.parties.size(); ++k) {
      const Party* const party = panel.parties[k];
      absl::StrAppend(&script, k == 0 ? "" : ", ", "$d", i, "_", party - Parties().data(),
                      " with linespoints lw ", party->rank == Rank::kOurs ? 3 : 1,
                      party->rank == Rank::kLimit ? " dt 2" : "", " title ",
                      Quoted(std::string(party->name)));
    }
    absl::StrAppend(&script, "\n");
  }
  return script;
}

}  // namespace

absl::Status CheckPlot(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  const std::string kind = std::filesystem::path(path).extension().string();
  if (kind != ".svg" && kind != ".png") {
    return absl::InvalidArgumentError(absl::StrCat("--plot ", path, ": neither .svg nor .png"));
  }
  if (!OnPath("gnuplot")) {
    return absl::FailedPreconditionError(
        "--plot needs gnuplot, which is not installed; apt-get install gnuplot-nox");
  }
  return absl::OkStatus();
}

absl::Status Plot(const std::vector<Result>& results, const std::string& path) {
  FILE* const gnuplot = popen("gnuplot", "w");
  if (gnuplot == nullptr) return absl::UnavailableError("gnuplot cannot be started");
  const std::string script = ScriptFor(results, path);
  std::fwrite(script.data(), 1, script.size(), gnuplot);
  if (pclose(gnuplot) != 0) return absl::UnavailableError("gnuplot failed; see above");
  return absl::OkStatus();
}

}  // namespace causeway::bench
