#include "tests/console/flags.h"

#include <cstdio>
#include <map>
#include <optional>
#include <string>

namespace causeway {

const std::map<std::string, WaitMode>& WaitModeNames() {
  static const auto& names = *new std::map<std::string, WaitMode>{
      {"park", WaitMode::kPark}, {"adaptive", WaitMode::kAdaptive}, {"spin", WaitMode::kSpin}};
  return names;
}

std::optional<int> ParseApp(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "%s: %s; see --help\n", app.get_name().c_str(), error.what());
    return kExitUsage;
  }
  return std::nullopt;
}

std::optional<int> ParseAppBeforeGoogleTest(CLI::App& app, int argc, char** argv) {
  app.allow_extras();
  if (const std::optional<int> ended = ParseApp(app, argc, argv)) return ended;
  for (const std::string& rest : app.remaining()) {
    if (rest.starts_with("--gtest_")) continue;
    std::fprintf(stderr, "%s: unexpected argument %s; see --help\n", app.get_name().c_str(),
                 rest.c_str());
    return kExitUsage;
  }
  return std::nullopt;
}

}  // namespace causeway
