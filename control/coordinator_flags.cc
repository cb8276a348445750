#include "control/coordinator_flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/api/version/version.h"

namespace causeway {
namespace {

struct LimitFlag {
  const char* name;  // as errors name the limit
  uint64_t Limits::* value;
  const char* help;
};

constexpr LimitFlag kLimitFlags[] = {
    {"max_agents", &Limits::max_agents, "agents attached at once"},
    {"max_streams", &Limits::max_streams, "streams"},
    {"max_lanes_per_stream", &Limits::max_lanes_per_stream, "writers of one stream"},
    {"max_readers_per_stream", &Limits::max_readers_per_stream, "readers of one stream"},
    {"max_lanes_per_agent", &Limits::max_lanes_per_agent, "writers of one agent"},
    {"max_readers_per_agent", &Limits::max_readers_per_agent, "readers of one agent"},
    {"max_writable_bytes_per_agent", &Limits::max_writable_bytes_per_agent,
     "bytes of lanes and cursors that one agent may write"},
    {"max_capacity_bytes_per_lane", &Limits::max_capacity_bytes_per_lane,
     "largest capacity_bytes of a stream"},
    {"max_frame_bytes", &Limits::max_frame_bytes, "largest max_frame_bytes of a stream"},
    {"max_splits_per_agent", &Limits::max_splits_per_agent, "open splits of one agent"},
    {"max_brought_files_per_agent", &Limits::max_brought_files_per_agent,
     "files that one agent brings"},
    {"max_extents_per_split", &Limits::max_extents_per_split, "extents of one split"},
    {"default_segment_bytes", &Limits::default_segment_bytes,
     "segment_bytes of a stream that names none"},
    {"default_capacity_bytes", &Limits::default_capacity_bytes,
     "capacity_bytes of a stream that names none"},
    {"default_max_frame_bytes", &Limits::default_max_frame_bytes,
     "max_frame_bytes of a stream that names none"},
    {"default_split_extent_bytes", &Limits::default_split_extent_bytes,
     "extent_bytes of a split that names none"},
};

struct ServingFlag {
  const char* name;
  uint64_t ServingLimits::* value;
  uint64_t max;
  const char* help;
};

constexpr ServingFlag kServingFlags[] = {
    {"max_connections", &ServingLimits::max_connections, 1 << 20, "connections to handoff.sock"},
    {"hello_deadline_ms", &ServingLimits::hello_deadline_ms, 3'600'000,
     "time from connecting to introducing oneself"},
    {"max_unread_events", &ServingLimits::max_unread_events, 1 << 20,
     "events that wait for an agent before it is cut off"},
    {"max_unread_bytes", &ServingLimits::max_unread_bytes, 1 << 30,
     "bytes of events that wait for an agent before it is cut off"},
    {"max_calls_per_agent", &ServingLimits::max_calls_per_agent, 1 << 20,
     "calls of one agent that run at once"},
    {"max_request_bytes", &ServingLimits::max_request_bytes, 1 << 30, "bytes of one request"},
    {"max_rpc_threads", &ServingLimits::max_rpc_threads, 1 << 16,
     "threads that answer calls, of each socket"},
    {"max_waiting_workers", &ServingLimits::max_waiting_workers, 1 << 16,
     "workers of splits that wait for an extent at once"},
    {"max_wait_ms", &ServingLimits::max_wait_ms, 3'600'000, "time that one of them may wait"},
};

// Below what a negative number is when it is read as one without a sign.
constexpr uint64_t kMaxLimit = uint64_t{1} << 62;

const std::map<std::string, LogLevel> kLogLevels = {{"debug", LogLevel::kDebug},
                                                    {"info", LogLevel::kInfo},
                                                    {"warning", LogLevel::kWarning},
                                                    {"error", LogLevel::kError}};

const std::map<std::string, HugePages> kHugePages = {
    {"auto", HugePages::kAuto}, {"on", HugePages::kOn}, {"off", HugePages::kOff}};

const char* Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Where agents look, too, if nobody tells them otherwise.
std::string DefaultDirectory() {
  if (const char* directory = Environment("CAUSEWAY_DIR"); *directory != '\0') return directory;
  if (const char* runtime = Environment("XDG_RUNTIME_DIR"); *runtime != '\0') {
    return absl::StrCat(runtime, "/causeway");
  }
  return absl::StrCat("/tmp/causeway-", geteuid());
}

// `bazel run` starts programs in a directory of its own and says where it was called.
std::string FromWhereTheUserIs(const std::string& path) {
  const char* called_in = Environment("BUILD_WORKING_DIRECTORY");
  if (path.empty() || path[0] == '/' || *called_in == '\0') return path;
  return absl::StrCat(called_in, "/", path);
}

// CLI11 wants the words from the last to the first. In flags, dashes are underscores.
std::vector<std::string> WordsOf(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    std::string word = argv[i];
    if (word.starts_with("--")) {
      const size_t end = std::min(word.find('='), word.size());
      std::replace(word.begin() + 2, word.begin() + static_cast<ptrdiff_t>(end), '-', '_');
    }
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

std::variant<CoordinatorFlags, FlagsAnswer> ParseCoordinatorFlags(int argc, char** argv) {
  CoordinatorFlags flags;
  CoordinatorOptions& options = flags.options;
  options.directory = DefaultDirectory();

  CLI::App app(
      "Serves a directory: agents attach to it to hand each other data through shared memory. "
      "Stops "
      "on SIGTERM or Ctrl-C; agents that are attached go on, and attach again to the next one.",
      "coordinator");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--dir", options.directory,
                 "Directory to serve; made if it is missing\n"
                 "(default $CAUSEWAY_DIR, else $XDG_RUNTIME_DIR/causeway, else /tmp/causeway-UID)")
      ->type_name("DIR");
  app.add_option("--volatile_dir", options.volatile_directory,
                 "Directory in memory for streams that need no disk\n"
                 "(default: one in /dev/shm that goes with --dir)")
      ->type_name("DIR");
  app.add_option("--huge_pages", options.huge_pages,
                 "Whether segments in memory are made of huge pages, which take less time to\n"
                 "allocate and to map: auto (where --volatile_dir is on a tmpfs that was mounted\n"
                 "with huge=advise, within_size or always), on (it must be), off")
      ->transform(CLI::CheckedTransformer(kHugePages, CLI::ignore_case).description(""))
      ->default_str("auto")
      ->type_name("WHEN");
  app.add_flag("--ephemeral", options.ephemeral,
               "Remove the directory and all state when stopping");
  app.add_option("--log_level", flags.log_level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(kLogLevels, CLI::ignore_case).description(""))
      ->default_str("info")
      ->type_name("LEVEL");
  app.add_option("--ready_fd", flags.ready_fd,
                 "Open descriptor that gets the line \"ready\" once agents can attach")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("FD");
  bool version = false;
  app.add_flag("--version", version, "Print the version");

  const auto add = [&app](const char* name, uint64_t* value, uint64_t max, const char* group,
                          const char* help) {
    app.add_option(absl::StrCat("--", name), *value, help)
        ->check(CLI::Range(uint64_t{1}, max).description(""))
        ->group(group)
        ->capture_default_str()
        ->type_name("N");
  };
  for (const LimitFlag& flag : kLimitFlags) {
    add(flag.name, &(options.limits.*flag.value), kMaxLimit, "Limits of what there may be",
        flag.help);
  }
  for (const ServingFlag& flag : kServingFlags) {
    add(flag.name, &(options.serving.*flag.value), flag.max, "Limits of what is served at once",
        flag.help);
  }

  try {
    app.parse(WordsOf(argc, argv));
  } catch (const CLI::CallForHelp&) {
    return FlagsAnswer{.text = app.help(), .exit_code = 0};
  } catch (const CLI::ParseError& error) {
    return FlagsAnswer{.text = absl::StrCat("coordinator: ", error.what(),
                                            "\ncoordinator --help lists the flags.\n"),
                       .exit_code = 2};
  }
  if (version) return FlagsAnswer{.text = absl::StrCat(kVersion, "\n"), .exit_code = 0};
  if (const absl::Status status = ValidateLimits(options.limits); !status.ok()) {
    return FlagsAnswer{.text = absl::StrCat("coordinator: ", status.message(), "\n"),
                       .exit_code = 2};
  }
  options.directory = FromWhereTheUserIs(options.directory);
  options.volatile_directory = FromWhereTheUserIs(options.volatile_directory);
  return flags;
}

}  // namespace causeway
