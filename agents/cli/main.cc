// The program `causeway`: one subcommand per entry of the table.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agents/cli/command_line.h"
#include "agents/cli/copy.h"
#include "agents/cli/copy_job.h"
#include "agents/cli/copy_worker.h"
#include "agents/cli/ephemeral_coordinator.h"
#include "agents/cli/exchange.h"
#include "agents/cli/exchange_worker.h"
#include "agents/cli/exchange_worker_options.h"
#include "agents/cli/ls.h"
#include "agents/cli/manage.h"
#include "agents/cli/publish.h"
#include "agents/cli/subscribe.h"
#include "control/api/version/version.h"
#include "control/coordinator_main.h"

namespace causeway {
namespace {

struct Subcommand {
  const char* name;
  const char* summary;  // null: not for people
  int (*main)(int argc, char** argv);
};

// The first is what the program does without arguments.
constexpr Subcommand kSubcommands[] = {
    {"exchange", "Send real bytes between processes, and prove that they arrived", ExchangeMain},
    {"publish", "Write standard input to a stream", PublishMain},
    {"subscribe", "Write what comes over a stream to standard output", SubscribeMain},
    {"copy", "Copy a file with several processes", CopyMain},
    {"ls", "List a coordinator's streams, agents and extents", LsMain},
    {"create", "Make a stream", CreateMain},
    {"delete", "Delete a stream", DeleteMain},
    {"evict", "Fence an agent", EvictMain},
    {kCoordinator, "Serve a directory until a signal comes", CoordinatorMain},
    {kExchangeProducer, nullptr, ExchangeProducerMain},
    {kExchangeConsumer, nullptr, ExchangeConsumerMain},
    {kCopyWorker, nullptr, CopyWorkerMain},
};

void PrintHelp() {
  std::string text =
      "Causeway: processes of one host hand each other bulk data at memory speed.\n"
      "\n"
      "Usage: causeway [SUBCOMMAND] [FLAGS]\n"
      "\n"
      "Subcommands:\n";
  for (const Subcommand& subcommand : kSubcommands) {
    if (subcommand.summary == nullptr) continue;
    std::string name = subcommand.name;
    name.resize(14, ' ');
    absl::StrAppend(&text, "  ", name, subcommand.summary, "\n");
  }
  absl::StrAppend(&text,
                  "\n"
                  "Without a subcommand: ",
                  kSubcommands[0].name,
                  ". Each has its own --help. --version prints the version.\n"
                  "\n"
                  "Examples:\n"
                  "  causeway                                   try it: 1 GiB to two processes\n"
                  "  causeway coordinator &\n"
                  "  causeway subscribe hello &\n"
                  "  echo hello, world | causeway publish hello\n");
  std::fputs(text.c_str(), stdout);
}

int UnknownSubcommand(std::string_view typed) {
  std::vector<std::string> names;
  for (const Subcommand& subcommand : kSubcommands) {
    if (subcommand.summary != nullptr) names.push_back(subcommand.name);
  }
  const std::optional<std::string> nearest = Nearest(typed, names);
  const std::string message =
      absl::StrCat("unknown subcommand ", std::string(typed),
                   nearest.has_value() ? absl::StrCat("; did you mean ", *nearest, "?")
                                       : "; causeway --help lists them");
  std::fprintf(stderr, "causeway: %s\n", OneLine(message).c_str());
  return kExitUsage;
}

// `bazel run` starts programs in a folder of its own; what the user types is meant from where he or
// she is.
void GoWhereTheUserIs() {
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory == nullptr) return;
  if (chdir(directory) != 0) {
    std::fprintf(stderr, "causeway: cannot go to BUILD_WORKING_DIRECTORY %s: %s\n", directory,
                 std::strerror(errno));
  }
  unsetenv("BUILD_WORKING_DIRECTORY");
}

// A program that is started without standard descriptors would give their numbers to its sockets
// and files. What stands in for them fails when it is used.
void OpenStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest number that is free is what open() gives.
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int Main(int argc, char** argv) {
  OpenStandardDescriptors();
  std::setlocale(LC_CTYPE, "");
  GoWhereTheUserIs();
  if (argc < 1) return kExitUsage;
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--help" || word == "-h" || word == "help") {
    PrintHelp();
    return 0;
  }
  if (word == "--version") {
    std::printf("causeway %s\n", kVersion);
    return 0;
  }
  // Flags alone are the first subcommand's.
  if (argc == 1 || (word.size() > 1 && word[0] == '-')) return kSubcommands[0].main(argc, argv);
  for (const Subcommand& subcommand : kSubcommands) {
    if (word == subcommand.name) return subcommand.main(argc - 1, argv + 1);
  }
  return UnknownSubcommand(word);
}

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) { return causeway::Main(argc, argv); }
