#include "agents/cli/exchange_supervisor.h"

#include <sys/wait.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace causeway {
namespace {

constexpr absl::Duration kDrawInterval = absl::Milliseconds(100);

// How long after a worker's complaint another child's death may still turn out to be its cause.
constexpr absl::Duration kCauseWindow = absl::Milliseconds(250);

bool WasKilled(const ProcessEvent& event) {
  return event.kind == ProcessEvent::Kind::kExit && WIFSIGNALED(event.wait_status);
}

}  // namespace

absl::Status ExchangeSupervisor::Run(const ExchangeWorkerOptions& options, int input_fd,
                                     ExchangeReport& report) {
  if (absl::Status status = StartWorkers(options, input_fd); !status.ok()) return status;
  std::vector<std::string> names;
  for (const Worker& worker : workers_) names.push_back(worker.name);
  Progress progress(std::move(names), total_bytes_);
  const absl::Status status = Follow(progress);
  if (progress_width_ > 0) ShowProgress(progress.Erase());
  if (!status.ok()) return status;

  for (size_t i = 0; i < workers_.size(); ++i) {
    ExchangeReport::Agent agent = {.name = workers_[i].name,
                                   .pid = group_.pid(workers_[i].child),
                                   .result = *workers_[i].result};
    if (i == 0) {
      report.producer = std::move(agent);
    } else {
      report.consumers.push_back(std::move(agent));
    }
  }
  return absl::OkStatus();
}

absl::Status ExchangeSupervisor::StartWorkers(const ExchangeWorkerOptions& options, int input_fd) {
  for (size_t i = 0; i <= options.consumers; ++i) {
    ExchangeWorkerOptions own = options;
    own.name = i == 0 ? "producer" : absl::StrCat("consumer ", i);
    const absl::StatusOr<size_t> child = group_.Start(
        {.name = own.name,
         .args = ExchangeWorkerArguments(i == 0 ? kExchangeProducer : kExchangeConsumer, own),
         .stdin_fd = i == 0 ? input_fd : -1});
    if (!child.ok()) return child.status();
    workers_.push_back({.child = *child, .name = own.name});
  }
  return absl::OkStatus();
}

absl::Status ExchangeSupervisor::Follow(Progress& progress) {
  absl::Time next_draw = progress_width_ > 0 ? absl::Now() : absl::InfiniteFuture();
  while (!AllDone()) {
    const absl::StatusOr<ProcessEvent> event = group_.Next(next_draw);
    if (!event.ok()) return event.status();
    if (event->kind == ProcessEvent::Kind::kDeadline) {
      ShowProgress(progress.Draw(progress_width_));
      next_draw = absl::Now() + kDrawInterval;
      continue;
    }
    if (absl::Status status = Obey(*event, progress); !status.ok()) {
      return RootCause(std::move(status), progress);
    }
  }
  return absl::OkStatus();
}

absl::Status ExchangeSupervisor::Obey(const ProcessEvent& event, Progress& progress) {
  switch (event.kind) {
    case ProcessEvent::Kind::kSignal:
      signal_ = event.signal;
      return absl::CancelledError(absl::StrCat("interrupted by signal ", event.signal));
    case ProcessEvent::Kind::kExit:
      return ObeyExit(event);
    case ProcessEvent::Kind::kLine:
      if (const std::optional<size_t> index = WorkerOf(event.child)) {
        return ObeyLine(workers_[*index], event.line, progress);
      }
      return absl::OkStatus();
    case ProcessEvent::Kind::kDeadline:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status ExchangeSupervisor::ObeyLine(Worker& worker, const std::string& line,
                                          Progress& progress) {
  absl::StatusOr<WorkerReport> report = DecodeWorkerReport(line);
  if (!report.ok()) return report.status();
  if (report->kind == WorkerReport::Kind::kError) {
    return absl::Status(report->error.code(),
                        absl::StrCat(worker.name, ": ", report->error.message()));
  }
  progress.Update(static_cast<size_t>(&worker - workers_.data()), report->bytes, absl::Now());
  if (report->kind == WorkerReport::Kind::kResult) worker.result = *std::move(report);
  return absl::OkStatus();
}

absl::Status ExchangeSupervisor::ObeyExit(const ProcessEvent& event) {
  const std::optional<size_t> index = WorkerOf(event.child);
  if (index.has_value()) {
    Worker& worker = workers_[*index];
    worker.ended = true;
    if (event.wait_status == 0 && worker.result.has_value()) return absl::OkStatus();
  }
  return absl::AbortedError(
      absl::StrCat(group_.name(event.child), " (pid ", group_.pid(event.child), ") ",
                   DescribeWaitStatus(event.wait_status), " before the exchange was complete"));
}

// A child's death makes the others complain, and a complaint may be heard first.
absl::Status ExchangeSupervisor::RootCause(absl::Status reported, Progress& progress) {
  if (signal_ != 0) return reported;
  const absl::Time until = absl::Now() + kCauseWindow;
  if (absl::IsAborted(reported)) return reported;
  while (true) {
    const absl::StatusOr<ProcessEvent> event = group_.Next(until);
    if (!event.ok() || event->kind == ProcessEvent::Kind::kDeadline) return reported;
    if (event->kind == ProcessEvent::Kind::kSignal || WasKilled(*event)) {
      return Obey(*event, progress);
    }
  }
}

std::optional<size_t> ExchangeSupervisor::WorkerOf(size_t child) const {
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].child == child) return i;
  }
  return std::nullopt;
}

bool ExchangeSupervisor::AllDone() const {
  for (const Worker& worker : workers_) {
    if (!worker.ended) return false;
  }
  return true;
}

}  // namespace causeway
