#include "tests/bench/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/bench/payload.h"
#include "tests/console/flags.h"

namespace causeway::bench {
namespace {

constexpr size_t kSmallestFrame = 32;
constexpr size_t kLargestFrame = size_t{64} << 20;

std::string CheckFrameSize(const std::string& text) {
  size_t bytes = 0;
  if (!CLI::detail::lexical_cast(text, bytes) || bytes < kSmallestFrame || bytes > kLargestFrame ||
      bytes % kWordBytes != 0) {
    return absl::StrCat(text, " bytes: a frame has ", kSmallestFrame, " to ", kLargestFrame,
                        " bytes, and whole words of ", kWordBytes);
  }
  return {};
}

std::vector<std::string> AllNames() {
  std::vector<std::string> names;
  for (const Party& party : Parties()) names.emplace_back(party.name);
  return names;
}

void AddSettings(CLI::App& app) {
  std::string text = "\nParties (limits first, then ours, then peers):\n";
  for (const Party& party : Parties()) {
    std::string name(party.name);
    name.resize(14, ' ');
    absl::StrAppend(&text, "  ", name, std::string(party.setting),
                    party.make == nullptr ? " (not installed)" : "", "\n");
  }
  app.footer(text);
}

}  // namespace

std::optional<int> ParseFlags(const FlagChoices& choices, int argc, char** argv, Flags& flags) {
  CLI::App app(choices.summary);
  app.name(choices.program);
  app.get_formatter()->column_width(28);
  flags.sizes = choices.sizes;
  flags.measures = choices.measures;
  app.add_option("--rounds", flags.rounds.rounds,
                 absl::StrCat("Turns of each party (default ", flags.rounds.rounds, ")"))
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  app.add_option("--seconds", flags.rounds.seconds,
                 absl::StrCat("Length of a turn (default ", flags.rounds.seconds, ")"))
      ->check(CLI::Range(0.001, 60.0))
      ->type_name("SECONDS");
  app.add_option("--only", flags.names, "Parties, with commas between (default: all, see below)")
      ->delimiter(',')
      ->check(CLI::IsMember(AllNames()))
      ->type_name("PARTY,...");
  app.add_option("--sizes", flags.sizes,
                 absl::StrCat("Bytes of a frame, as 64 or 1MiB (default ",
                              absl::StrJoin(choices.sizes, ","), ")"))
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Validator(CheckFrameSize, ""))
      ->type_name("SIZE,...");
  if (!choices.measures.empty()) {
    app.add_option(
           "--measures", flags.measures,
           absl::StrCat("What to measure (default ", absl::StrJoin(choices.measures, ","), ")"))
        ->delimiter(',')
        ->check(CLI::IsMember(choices.measures))
        ->type_name("MEASURE,...");
  }
  app.add_flag("--json", flags.json, "Print one JSON object instead of tables");
  if (choices.plot) {
    app.add_option("--plot", flags.plot,
                   "Draw the medians to FILE, .svg or .png; needs the package gnuplot-nox")
        ->type_name("FILE");
  }
  app.add_option(
         "--pin", flags.rounds.pinned,
         absl::StrCat("Keep each process on one core, in turn over those that there are; else "
                      "the kernel\nplaces them (default ",
                      flags.rounds.pinned ? "true" : "false", ")"))
      ->type_name("BOOL");
  AddSettings(app);
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return *ended;
  for (const Party& party : Parties()) {
    const bool named =
        std::find(flags.names.begin(), flags.names.end(), party.name) != flags.names.end();
    if (flags.names.empty() || named) flags.parties.push_back(&party);
  }
  // `bazel run` starts programs in a folder of its own.
  const char* const from = std::getenv("BUILD_WORKING_DIRECTORY");
  if (!flags.plot.empty() && from != nullptr) {
    flags.plot = (std::filesystem::path(from) / flags.plot).string();
  }
  return std::nullopt;
}

}  // namespace causeway::bench
