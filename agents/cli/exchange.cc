#include "agents/cli/exchange.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agents/cli/admin_client.h"
#include "agents/cli/attach.h"
#include "agents/cli/command_line.h"
#include "agents/cli/ephemeral_coordinator.h"
#include "agents/cli/exchange_supervisor.h"
#include "agents/cli/input.h"
#include "agents/cli/payload.h"
#include "agents/cli/process_group.h"
#include "agents/cli/report.h"
#include "agents/cli/table.h"
#include "mmapcore/page.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr char kCommand[] = "exchange";
constexpr uint64_t kDefaultBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxConsumers = 64;
constexpr uint64_t kMaxFrameBytes = uint64_t{256} << 20;

constexpr uint64_t kMinSegmentBytes = uint64_t{256} << 10;
constexpr uint64_t kLargeFrameBytes = uint64_t{4} << 20;
constexpr uint64_t kSegments = 4;

constexpr char kExamples[] =
    "  causeway exchange                                 1 GiB of a shared library, to two "
    "readers\n"
    "  causeway exchange --input=video.raw --consumers=3\n"
    "  tar c src | causeway exchange --input=- --json | jq .gb_per_s\n"
    "  causeway exchange --bytes=8GiB --frame_bytes=4KiB --no_hash\n"
    "\n"
    "Exit status: 0 if every consumer has read what was sent, 1 if not or if the exchange failed,\n"
    "2 for a mistake in the command. Sizes take K, M, G (powers of 1024), times ms, s, m or inf.\n";

struct ExchangeFlags {
  std::string input;
  std::string dir;
  std::string volatile_dir;
  uint64_t consumers = 2;
  uint64_t frame_bytes = uint64_t{64} << 10;
  uint64_t capacity_bytes = 0;
  uint64_t bytes = 0;
  uint64_t repeat = 1;
  absl::Duration deadline = absl::Seconds(30);
  bool json = false;
  bool no_hash = false;
  bool has_bytes = false;
  bool has_repeat = false;
};

absl::StatusOr<bool> ParseFlags(int argc, char** argv, ExchangeFlags& flags) {
  CommandLine line(
      kCommand,
      "Sends real bytes from one process to others through shared memory, and proves by\n"
      "SHA-256 that every one of them has read what was sent. Starts a coordinator, a\n"
      "producer and the consumers as processes of their own; nothing of them stays.",
      kExamples);
  line.Text("input", &flags.input,
            "File to send, or - for standard input (default: the\n"
            "largest shared library of this program)");
  line.Size("bytes", &flags.bytes,
            "Send so many bytes: a file is repeated and cut, a pipe\n"
            "is cut (default: 1GiB without --input, else the input\n"
            "once)");
  line.Count("repeat", &flags.repeat, "Send the input so many times");
  line.Count("consumers", &flags.consumers, "Reading processes, 1 to 64 (default 2)");
  line.Size("frame_bytes", &flags.frame_bytes, "Bytes of the input in one frame (default 64KiB)");
  line.Size(
      "capacity_bytes", &flags.capacity_bytes,
      "Shared memory between the producer and the slowest\nconsumer (default: by frame_bytes)");
  line.Duration("deadline", &flags.deadline,
                "How long the producer waits for a consumer that does\nnot read (default 30s)");
  line.Switch("no_hash", &flags.no_hash, "Do not hash; consumers only touch the bytes");
  line.Switch("json", &flags.json, "Report as one JSON object on standard output");
  line.Text("dir", &flags.dir, "Use the running coordinator of this directory");
  line.Text("volatile_dir", &flags.volatile_dir,
            "Where the shared memory's files are made, a tmpfs\n(default /dev/shm)");
  const absl::StatusOr<bool> parsed = line.Parse(argc, argv);
  if (!parsed.ok() || !*parsed) return parsed;
  flags.has_bytes = line.Given("bytes");
  flags.has_repeat = line.Given("repeat");
  if (line.Given("input") && flags.input.empty()) {
    return absl::InvalidArgumentError("--input is empty; name a file, or - for standard input");
  }
  if (line.Given("dir") && flags.dir.empty()) {
    return absl::InvalidArgumentError("--dir is empty; name the coordinator's directory");
  }
  return true;
}

absl::Status CheckFlags(const ExchangeFlags& flags) {
  if (flags.consumers < 1 || flags.consumers > kMaxConsumers) {
    return absl::InvalidArgumentError(
        absl::StrCat("--consumers is ", flags.consumers, "; it must be 1 to ", kMaxConsumers));
  }
  if (flags.frame_bytes < 1 || flags.frame_bytes > kMaxFrameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("--frame_bytes is ", flags.frame_bytes, "; it must be 1 to ", kMaxFrameBytes));
  }
  if (flags.has_repeat && flags.repeat < 1) {
    return absl::InvalidArgumentError("--repeat is 0; it must be at least 1");
  }
  if (flags.has_repeat && flags.has_bytes) {
    return absl::InvalidArgumentError("--bytes and --repeat contradict each other; give one");
  }
  if (!flags.dir.empty() && !flags.volatile_dir.empty()) {
    return absl::InvalidArgumentError(
        "--volatile_dir is the coordinator's affair, and --dir names one that runs; give one");
  }
  return absl::OkStatus();
}

// `size`: of the input, if it can be repeated.
PayloadLimits LimitsFor(const ExchangeFlags& flags, std::optional<uint64_t> size) {
  if (flags.has_bytes) {
    return {.rounds = size.has_value() ? PayloadLimits::kNone : 1, .max_bytes = flags.bytes};
  }
  if (flags.input.empty() && !flags.has_repeat && size.has_value()) {
    return {.rounds = (kDefaultBytes + *size - 1) / *size};
  }
  return {.rounds = flags.repeat};
}

std::optional<uint64_t> TotalBytes(const PayloadLimits& limits, std::optional<uint64_t> size) {
  if (!size.has_value()) return std::nullopt;
  if (limits.rounds > limits.max_bytes / *size) return limits.max_bytes;
  return limits.rounds * *size;
}

// Small enough to stay in the processor's caches, large enough for several frames, or for one if
// frames are large themselves. Headers of frames and segments fit into the pages that are added.
uint64_t SegmentBytes(uint64_t frame_bytes) {
  const uint64_t frames = frame_bytes > kLargeFrameBytes ? 1 : 4;
  const uint64_t bytes = std::max(kMinSegmentBytes, frames * frame_bytes + 2 * PageSize());
  return RoundUpToPage(bytes).value_or(bytes);
}

absl::StatusOr<ExchangeReport> Run(const ExchangeFlags& flags, int& signal) {
  if (absl::Status status = CheckFlags(flags); !status.ok()) return status;
  ExchangeReport report;
  report.input = flags.input.empty()  ? LargestLoadedLibrary()
                 : flags.input == "-" ? "standard input"
                                      : flags.input;
  const absl::StatusOr<UniqueFd> input =
      OpenInput(flags.input.empty() ? report.input : flags.input);
  if (!input.ok()) return input.status();
  const std::optional<uint64_t> size = InputSize(input->get());
  const PayloadLimits limits = LimitsFor(flags, size);
  report.input_bytes = size.value_or(0);
  report.frame_bytes = flags.frame_bytes;
  report.hashed = !flags.no_hash;
  if (!flags.dir.empty()) {
    if (absl::Status status = CheckCoordinatorDirectory(flags.dir); !status.ok()) return status;
  }

  EphemeralCoordinator coordinator(flags.volatile_dir);
  // Destroyed first: everything has stopped before the coordinator's directories are looked after.
  absl::StatusOr<ProcessGroup> group = ProcessGroup::Create();
  if (!group.ok()) return group.status();
  if (flags.dir.empty()) {
    if (absl::Status status = coordinator.Start(*group, signal); !status.ok()) return status;
  }
  ExchangeWorkerOptions options;
  options.dir = flags.dir.empty() ? coordinator.dir() : flags.dir;
  options.stream = absl::StrCat("exchange-", getpid(), "-", absl::ToUnixMicros(absl::Now()));
  options.input = report.input;
  options.consumers = flags.consumers;
  options.frame_bytes = flags.frame_bytes;
  options.segment_bytes = SegmentBytes(flags.frame_bytes);
  options.capacity_bytes =
      flags.capacity_bytes > 0 ? flags.capacity_bytes : kSegments * options.segment_bytes;
  options.rounds = limits.rounds;
  options.max_bytes = limits.max_bytes;
  options.deadline = flags.deadline;
  options.hash = report.hashed;
  ExchangeSupervisor supervisor(*group, TotalBytes(limits, size), TerminalWidth(STDERR_FILENO));
  const absl::Status status = supervisor.Run(options, input->get(), report);
  signal = supervisor.signal();
  group->StopAll();
  if (!flags.dir.empty()) {
    // The stream was this exchange's own. What cannot be deleted is at most an empty name.
    const absl::StatusOr<AdminClient> admin = AdminClient::Connect(flags.dir);
    if (admin.ok()) admin->DeleteStream(options.stream).IgnoreError();
  }
  if (!status.ok()) return status;
  return report;
}

bool WantsJson(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc,
                     [](const char* word) { return std::string_view(word) == "--json"; });
}

}  // namespace

int ExchangeMain(int argc, char** argv) {
  ExchangeFlags flags;
  const absl::StatusOr<bool> parsed = ParseFlags(argc, argv, flags);
  if (parsed.ok() && !*parsed) return 0;
  int signal = 0;
  const absl::StatusOr<ExchangeReport> report =
      parsed.ok() ? Run(flags, signal) : absl::StatusOr<ExchangeReport>(parsed.status());

  // Whoever asked for JSON gets it whatever happens, also if the flags could not be read.
  const bool json = flags.json || WantsJson(argc, argv);
  std::string text;
  absl::Status status = report.status();
  if (report.ok()) {
    text = json ? RenderJson(*report) : RenderTable(*report, TerminalWidth(STDOUT_FILENO));
    status = CheckAgreement(*report);
  } else if (json) {
    text = RenderJson(report.status());
  }
  const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (signal != 0) EndBySignal(signal);
  if (!status.ok()) return Fail(kCommand, status);
  return written ? 0 : kExitFailure;
}

}  // namespace causeway
