#include "tests/faults/flags.h"

#include <cstdio>
#include <optional>
#include <string>

namespace causeway::faults {

std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv) {
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "%s: %s; see --help\n", app.get_name().c_str(), error.what());
    return 2;
  }
  for (const std::string& rest : app.remaining()) {
    if (rest.starts_with("--gtest_")) continue;
    std::fprintf(stderr, "%s: unexpected argument %s; see --help\n", app.get_name().c_str(),
                 rest.c_str());
    return 2;
  }
  return std::nullopt;
}

}  // namespace causeway::faults
