#include "agents/cli/exchange_worker.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agents/agent.h"
#include "agents/cli/attach.h"
#include "agents/cli/command_line.h"
#include "agents/cli/digest.h"
#include "agents/cli/exchange_worker_options.h"
#include "agents/cli/input.h"
#include "agents/cli/latency.h"
#include "agents/cli/payload.h"
#include "agents/cli/process_group.h"
#include "agents/cli/worker_report.h"
#include "mmapcore/unique_fd.h"

namespace causeway {
namespace {

constexpr int64_t kProgressIntervalNs = 100'000'000;

// Stands before the input's bytes in each frame. Both ends are this program.
struct FrameHeader {
  int64_t commit_ns;  // CLOCK_MONOTONIC, just before the commit
  uint64_t index;     // 0, 1, 2, ...
};

int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Fetches every cache line, as any use of the bytes would.
void Touch(std::span<const std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); i += 64) {
    static_cast<void>(*reinterpret_cast<const volatile char*>(&bytes[i]));
  }
}

// The pipe to the parent.
class ReportPipe {
 public:
  ReportPipe() { fcntl(kReportFd, F_SETFL, O_NONBLOCK); }

  // Sends what has come of the work so far, if it is time. A parent that does not listen misses it.
  void SendProgress(const WorkerReport& report, int64_t now_ns) {
    if (now_ns < next_progress_ns_) return;
    next_progress_ns_ = now_ns + kProgressIntervalNs;
    const std::string line = EncodeWorkerReport(report) + "\n";
    static_cast<void>(!write(kReportFd, line.data(), line.size()));
  }

  // Sends the last word, and waits for a parent that does not listen. Returns the exit status.
  int SendLast(WorkerReport report, const absl::Status& status) {
    report.kind = status.ok() ? WorkerReport::Kind::kResult : WorkerReport::Kind::kError;
    report.error = status;
    std::string line = EncodeWorkerReport(report) + "\n";
    while (!line.empty()) {
      const ssize_t written = write(kReportFd, line.data(), line.size());
      if (written > 0) {
        line.erase(0, static_cast<size_t>(written));
      } else if (errno == EAGAIN) {
        pollfd room = {.fd = kReportFd, .events = POLLOUT};
        poll(&room, 1, -1);
      } else if (errno != EINTR) {
        return kExitFailure;
      }
    }
    return status.ok() ? 0 : kExitFailure;
  }

 private:
  int64_t next_progress_ns_ = 0;
};

StreamOptions StreamFor(const ExchangeWorkerOptions& options) {
  return {.durability = Durability::kMemory,
          .segment_bytes = options.segment_bytes,
          .capacity_bytes = options.capacity_bytes,
          .max_frame_bytes = options.frame_bytes + sizeof(FrameHeader)};
}

absl::StatusOr<std::optional<Digest>> DigestIf(bool hash) {
  if (!hash) return std::nullopt;
  absl::StatusOr<Digest> digest = Digest::Sha256();
  if (!digest.ok()) return digest.status();
  return *std::move(digest);
}

absl::Status Send(const ExchangeWorkerOptions& options, Writer& writer, Payload& payload,
                  ReportPipe& pipe, WorkerReport& report) {
  absl::StatusOr<std::optional<Digest>> digest = DigestIf(options.hash);
  if (!digest.ok()) return digest.status();
  if (absl::Status status = writer.WaitForReaders(options.consumers, options.deadline);
      !status.ok()) {
    return status;
  }
  report.first_ns = MonotonicNs();
  report.last_ns = report.first_ns;
  while (true) {
    const absl::StatusOr<std::span<std::byte>> room =
        writer.Claim(sizeof(FrameHeader) + options.frame_bytes, options.deadline);
    if (!room.ok()) return room.status();
    const std::span<std::byte> bytes = room->subspan(sizeof(FrameHeader));
    const absl::StatusOr<size_t> got = payload.Read(bytes);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    if (digest->has_value()) (*digest)->Update(bytes.data(), *got);
    const FrameHeader header = {.commit_ns = MonotonicNs(), .index = report.frames};
    std::memcpy(room->data(), &header, sizeof header);
    writer.Commit(sizeof header + *got);
    report.bytes += *got;
    ++report.frames;
    pipe.SendProgress(report, header.commit_ns);
  }
  writer.Abandon();
  if (absl::Status status = writer.Drain(options.deadline); !status.ok()) return status;
  report.last_ns = MonotonicNs();
  report.waits = writer.counters().waits;
  if (digest->has_value()) report.sha256 = (*digest)->Hex();
  return UnlessAway(writer.Close());
}

absl::Status RunProducer(const ExchangeWorkerOptions& options, ReportPipe& pipe,
                         WorkerReport& report) {
  absl::StatusOr<Input> input = Input::FromFd(UniqueFd(STDIN_FILENO), options.input);
  if (!input.ok()) return input.status();
  absl::StatusOr<Payload> payload = Payload::Create(
      *std::move(input), {.rounds = options.rounds, .max_bytes = options.max_bytes});
  if (!payload.ok()) return payload.status();
  const absl::StatusOr<std::unique_ptr<Agent>> agent = AttachTo(options.dir, options.name);
  if (!agent.ok()) return agent.status();
  absl::StatusOr<std::unique_ptr<Writer>> writer =
      (*agent)->OpenWriter(options.stream, {.stream = StreamFor(options)});
  if (!writer.ok()) return writer.status();
  if (absl::Status status = Send(options, **writer, *payload, pipe, report); !status.ok()) {
    return status;
  }
  writer->reset();
  return UnlessAway((*agent)->Detach());
}

absl::Status Receive(const ExchangeWorkerOptions& options, Reader& reader, ReportPipe& pipe,
                     WorkerReport& report) {
  absl::StatusOr<std::optional<Digest>> digest = DigestIf(options.hash);
  if (!digest.ok()) return digest.status();
  LatencyRecorder latency;
  Frame frame;
  while (true) {
    if (!reader.TryNext(frame)) {
      if (report.frames > 0) report.last_ns = MonotonicNs();
      const absl::StatusOr<Delivery> next = reader.Next(absl::Nanoseconds(kProgressIntervalNs));
      if (!next.ok()) return next.status();
      if (next->kind == Delivery::Kind::kLaneLost) return next->loss;
      if (next->kind == Delivery::Kind::kEnded) {
        if (next->end_cause == EndCause::kClosed) break;
        return absl::AbortedError(absl::StrCat("the producer ", EndCauseName(next->end_cause),
                                               " after ", report.frames, " frames"));
      }
      if (next->kind == Delivery::Kind::kDeadline) {
        pipe.SendProgress(report, MonotonicNs());
        continue;
      }
      frame = next->frame;
    }
    const int64_t now = MonotonicNs();
    FrameHeader header;
    if (frame.payload.size() < sizeof header) {
      return absl::DataLossError(absl::StrCat("the frame at position ", frame.position, " has ",
                                              frame.payload.size(), " bytes, less than a header"));
    }
    std::memcpy(&header, frame.payload.data(), sizeof header);
    if (header.index != report.frames) {
      return absl::DataLossError(absl::StrCat("frame ", report.frames, " was expected, but frame ",
                                              header.index, " came at position ", frame.position));
    }
    latency.Record(now - header.commit_ns);
    const std::span<const std::byte> bytes = frame.payload.subspan(sizeof header);
    if (digest->has_value()) {
      (*digest)->Update(bytes.data(), bytes.size());
    } else {
      Touch(bytes);
    }
    report.bytes += bytes.size();
    ++report.frames;
    pipe.SendProgress(report, now);
  }
  report.latency = latency.Summarize();
  if (digest->has_value()) report.sha256 = (*digest)->Hex();
  return UnlessAway(reader.Close());
}

absl::Status RunConsumer(const ExchangeWorkerOptions& options, ReportPipe& pipe,
                         WorkerReport& report) {
  const absl::StatusOr<std::unique_ptr<Agent>> agent = AttachTo(options.dir, options.name);
  if (!agent.ok()) return agent.status();
  absl::StatusOr<std::unique_ptr<Reader>> reader =
      (*agent)->OpenReader(options.stream, {.stream = StreamFor(options)});
  if (!reader.ok()) return reader.status();
  if (absl::Status status = Receive(options, **reader, pipe, report); !status.ok()) return status;
  reader->reset();
  return UnlessAway((*agent)->Detach());
}

int RunWorker(const char* subcommand, int argc, char** argv,
              absl::Status (*run)(const ExchangeWorkerOptions&, ReportPipe&, WorkerReport&)) {
  ExchangeWorkerOptions options;
  const absl::StatusOr<bool> parsed = ParseExchangeWorkerArguments(argc, argv, options);
  if (!parsed.ok()) return Fail(subcommand, parsed.status());
  if (!*parsed) return 0;
  if (fcntl(kReportFd, F_GETFD) < 0) {
    return Fail(subcommand, absl::InvalidArgumentError("started by causeway exchange only"));
  }
  ReportPipe pipe;
  WorkerReport report;
  const absl::Status status = run(options, pipe, report);
  return pipe.SendLast(std::move(report), status);
}

}  // namespace

int ExchangeProducerMain(int argc, char** argv) {
  return RunWorker(kExchangeProducer, argc, argv, RunProducer);
}

int ExchangeConsumerMain(int argc, char** argv) {
  return RunWorker(kExchangeConsumer, argc, argv, RunConsumer);
}

}  // namespace causeway
