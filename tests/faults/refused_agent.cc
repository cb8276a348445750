// An agent that is told, in lines, to refuse its own system calls (refusable_calls.h), and to do a
// job:
//
//   refused_agent <dir>      <dir>: the coordinator's
//
//   job      attaches, exchanges frames with itself, splits a file, detaches. Answers "ok", or the
//            status of the first call that failed, or "WRONG: ..." if a call gave what it must not
//
// A job that takes too long is ended by SIGALRM.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/testing/pattern.h"
#include "mmapcore/unique_fd.h"
#include "tests/faults/refusable_calls.h"

namespace causeway::faults {
namespace {

constexpr int kReportFd = 3;
constexpr unsigned kJobSeconds = 30;
constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr int kFrames = 300;
constexpr uint64_t kSplitBytes = 4 * 4096;

// What no refusal may lead to. The code is one that the library never gives.
absl::Status Wrong(const std::string& what) {
  return absl::Status(absl::StatusCode::kUnknown, what);
}

class Job {
 public:
  Job(std::string dir, uint64_t number) : dir_(std::move(dir)), number_(number), random_(number) {}

  absl::Status Run() {
    for (const auto step : {&Job::Open, &Job::Exchange, &Job::Sleep, &Job::Split, &Job::Close}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Open() {
    AgentOptions options;
    options.dir = dir_;
    options.name = "refused";
    options.attach_timeout = kPatience;
    options.rpc_timeout = kPatience;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
    if (!agent.ok()) return agent.status();
    agent_ = *std::move(agent);
    StreamOptions stream;
    stream.segment_bytes = 64 * 1024;
    stream.capacity_bytes = 1024 * 1024;
    stream.max_frame_bytes = 256 * 1024;
    // Not what a job left behind that could not say farewell.
    absl::StatusOr<std::unique_ptr<Reader>> reader =
        agent_->OpenReader("refused", {.stream = stream, .start = LaneStart::At::kLatest});
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
    absl::StatusOr<std::unique_ptr<Writer>> writer =
        agent_->OpenWriter("refused", {.stream = stream});
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return writer_->WaitForReaders(1, kPatience);
  }

  absl::Status WriteOne(size_t bytes) {
    const absl::StatusOr<std::span<std::byte>> room = writer_->Claim(bytes, kPatience);
    if (!room.ok()) return room.status();
    FillPattern(written_, *room);
    if (!writer_->Commit(bytes)) return Wrong("a claim that cannot be committed");
    ++written_;
    return absl::OkStatus();
  }

  absl::Status ReadOne() {
    const absl::StatusOr<Delivery> next = reader_->Next(kPatience);
    if (!next.ok()) return next.status();
    switch (next->kind) {
      case Delivery::Kind::kFrame:
        break;
      case Delivery::Kind::kDeadline:
        return absl::DeadlineExceededError(absl::StrCat("frame ", read_, " has not come"));
      case Delivery::Kind::kLaneLost:
        return next->loss;
      default:
        // The lane ends when the session does.
        if (!agent_->status().ok()) return agent_->status();
        return Wrong(absl::StrCat("a gap or an end in the place of frame ", read_));
    }
    const std::optional<uint64_t> number = CheckPattern(next->frame.payload);
    if (number != read_) return Wrong(absl::StrCat("not frame ", read_));
    ++read_;
    return absl::OkStatus();
  }

  // A few frames are under way at a time; some need a segment of their own.
  absl::Status Exchange() {
    while (read_ < kFrames) {
      const uint64_t ahead = 1 + random_() % 16;
      for (uint64_t i = 0; i < ahead; ++i) {
        const size_t bytes = 8 + (random_() % 64 == 0 ? random_() % 200'000 : random_() % 8'000);
        if (absl::Status status = WriteOne(bytes); !status.ok()) return status;
      }
      while (read_ < written_) {
        if (absl::Status status = ReadOne(); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  // As an event loop does, and as a thread does.
  absl::Status Sleep() {
    const absl::StatusOr<int> descriptor = reader_->Descriptor();
    if (!descriptor.ok()) return descriptor.status();
    if (absl::Status status = reader_->ArmDescriptor(); !status.ok()) return status;
    if (absl::Status status = WriteOne(100); !status.ok()) return status;
    pollfd wait = {.fd = *descriptor, .events = POLLIN};
    if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) != 1) {
      return absl::DeadlineExceededError("the reader's descriptor says nothing");
    }
    if (absl::Status status = ReadOne(); !status.ok()) return status;
    const absl::StatusOr<Delivery> nothing = reader_->Next(absl::Milliseconds(1));
    if (!nothing.ok()) return nothing.status();
    if (nothing->kind == Delivery::Kind::kFrame) return Wrong("a frame that nobody wrote");
    return absl::OkStatus();
  }

  static UniqueFd FileOf(char byte) {
    UniqueFd file(memfd_create("refused", MFD_CLOEXEC));
    const std::string bytes(kSplitBytes, byte);
    if (write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::perror("write");
    }
    return file;
  }

  absl::Status Split() {
    const UniqueFd source = FileOf('s');
    const UniqueFd target = FileOf('t');
    absl::StatusOr<BroughtFile> from = agent_->BringFile(source.get(), "source", FileAccess::kRead);
    if (!from.ok()) return from.status();
    absl::StatusOr<BroughtFile> to =
        agent_->BringFile(target.get(), "target", FileAccess::kReadWrite);
    if (!to.ok()) return to.status();
    const std::string name = absl::StrCat("split-", getpid(), "-", number_);
    absl::StatusOr<std::unique_ptr<causeway::Split>> split =
        agent_->OpenSplit({.name = name,
                           .source = *from,
                           .target = *to,
                           .length = kSplitBytes,
                           .extent_bytes = kSplitBytes / 2});
    if (!split.ok()) return split.status();
    while (true) {
      absl::StatusOr<TakenExtent> extent = agent_->TakeExtent(name, kPatience);
      if (!extent.ok()) return extent.status();
      if (!extent->granted()) break;
      const absl::StatusOr<std::span<const std::byte>> in = extent->MapSource();
      if (!in.ok()) return in.status();
      const absl::StatusOr<std::span<std::byte>> out = extent->MapTarget();
      if (!out.ok()) return out.status();
      std::memcpy(out->data(), in->data(), out->size());
      if (absl::Status status = extent->Complete(); !status.ok()) return status;
    }
    std::string copy(kSplitBytes, ' ');
    if (pread(target.get(), copy.data(), copy.size(), 0) != static_cast<ssize_t>(copy.size()) ||
        copy != std::string(kSplitBytes, 's')) {
      return Wrong("the target is not the source");
    }
    return (*split)->Close();
  }

  absl::Status Close() {
    if (absl::Status status = writer_->Close(); !status.ok()) return status;
    if (absl::Status status = reader_->Close(); !status.ok()) return status;
    writer_.reset();
    reader_.reset();
    return agent_->Detach();
  }

  const std::string dir_;
  const uint64_t number_;
  std::mt19937_64 random_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<Writer> writer_;
  uint64_t written_ = 0;
  uint64_t read_ = 0;
};

int Main(const std::string& dir) {
  Watch(CallsOfAgents());
  uint64_t jobs = 0;
  for (std::string line; std::getline(std::cin, line);) {
    std::string answer = ObeyRefusals(CallsOfAgents(), line);
    if (answer.empty()) {
      alarm(kJobSeconds);
      absl::Status status = Job(dir, ++jobs).Run();  // And lets go of everything.
      alarm(0);
      answer = status.ok() ? "ok" : status.ToString();
    }
    answer = absl::StrReplaceAll(answer, {{"\n", " "}}) + "\n";
    if (write(kReportFd, answer.data(), answer.size()) < 0) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace causeway::faults

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: refused_agent <dir>\n", stderr);
    return 2;
  }
  // LeakSanitizer, which would look for leaks now, does not get on with the filter.
  _exit(causeway::faults::Main(argv[1]));
}
