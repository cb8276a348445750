// An agent that a test commands in lines: one of each, one answer on descriptor 3.
//
//   attach <dir> <name>            ok <session id>
//   write_to <stream>              opens a writer
//   read_from <stream>             opens a reader
//   write <count> <bytes> <first>  numbered frames; waits for room
//   flood <bytes>                  numbered frames from 0 until it fails; answers at once with
//   "ok",
//                                  and with the reason when it ends
//   claim <bytes>                  takes room, and fills it without committing
//   stomp <stores>                 stores into the room that was claimed, then asks for more
//   read <count>                   frames; answers "ok <first> <last>" if they are in order
//   read_one                       and keeps the frame
//   close                          the writer and the reader
//   detach
//
// What fails answers with the status in one line.

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agents/agent.h"
#include "agents/testing/pattern.h"

namespace causeway {
namespace {

constexpr int kReportFd = 3;
constexpr absl::Duration kLong = absl::Minutes(5);

void Say(const std::string& line) {
  const std::string bytes = absl::StrReplaceAll(line, {{"\n", " "}}) + "\n";
  if (write(kReportFd, bytes.data(), bytes.size()) < 0) _exit(1);
}

class Peer {
 public:
  absl::StatusOr<std::string> Obey(const std::string& command, std::istream& arguments) {
    if (command == "attach") return Attach(arguments);
    if (command == "write_to") return WriteTo(arguments);
    if (command == "read_from") return ReadFrom(arguments);
    if (command == "write") return Write(arguments);
    if (command == "flood") return Flood(arguments);
    if (command == "claim") return Claim(arguments);
    if (command == "stomp") return Stomp(arguments);
    if (command == "read") return Read(arguments);
    if (command == "read_one") return ReadOne();
    if (command == "close") {
      writer_.reset();
      reader_.reset();
      return "ok";
    }
    if (command == "detach") {
      if (absl::Status status = agent_->Detach(); !status.ok()) return status;
      return "ok";
    }
    return absl::InvalidArgumentError(command);
  }

 private:
  absl::StatusOr<std::string> Attach(std::istream& arguments) {
    AgentOptions options;
    arguments >> options.dir >> options.name;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(std::move(options));
    if (!agent.ok()) return agent.status();
    agent_ = *std::move(agent);
    return absl::StrCat("ok ", agent_->session_id());
  }

  absl::StatusOr<std::string> WriteTo(std::istream& arguments) {
    std::string stream;
    arguments >> stream;
    absl::StatusOr<std::unique_ptr<Writer>> writer = agent_->OpenWriter(stream);
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return "ok";
  }

  absl::StatusOr<std::string> ReadFrom(std::istream& arguments) {
    std::string stream;
    arguments >> stream;
    absl::StatusOr<std::unique_ptr<Reader>> reader = agent_->OpenReader(stream);
    if (!reader.ok()) return reader.status();
    reader_ = *std::move(reader);
    return "ok";
  }

  absl::Status WriteFrame(uint64_t number, size_t bytes) {
    absl::StatusOr<std::span<std::byte>> room = writer_->Claim(bytes, kLong);
    if (!room.ok()) return room.status();
    FillPattern(number, *room);
    writer_->Commit(bytes);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Write(std::istream& arguments) {
    uint64_t count, bytes, first;
    arguments >> count >> bytes >> first;
    for (uint64_t i = 0; i < count; ++i) {
      if (absl::Status status = WriteFrame(first + i, bytes); !status.ok()) return status;
    }
    return "ok";
  }

  absl::StatusOr<std::string> Flood(std::istream& arguments) {
    uint64_t bytes;
    arguments >> bytes;
    Say("ok");
    for (uint64_t i = 0;; ++i) {
      if (absl::Status status = WriteFrame(i, bytes); !status.ok()) return status;
    }
  }

  absl::StatusOr<std::string> Claim(std::istream& arguments) {
    uint64_t bytes;
    arguments >> bytes;
    absl::StatusOr<std::span<std::byte>> room = writer_->Claim(bytes, kLong);
    if (!room.ok()) return room.status();
    room_ = *room;
    FillPattern(~uint64_t{0}, room_);
    return "ok";
  }

  absl::StatusOr<std::string> Stomp(std::istream& arguments) {
    uint64_t stores;
    arguments >> stores;
    for (uint64_t i = 0; i < stores; ++i) {
      const_cast<volatile std::byte&>(room_[i % room_.size()]) = std::byte{0xEE};
    }
    writer_->Commit(room_.size());
    // The next claim may still find room; it may not reach anybody.
    absl::Status status;
    while (status.ok()) status = WriteFrame(0, 4096);
    return status;
  }

  absl::StatusOr<std::string> Read(std::istream& arguments) {
    uint64_t count;
    arguments >> count;
    uint64_t first = 0;
    uint64_t last = 0;
    for (uint64_t i = 0; i < count; ++i) {
      absl::StatusOr<Delivery> next = reader_->Next(kLong);
      if (!next.ok()) return next.status();
      if (next->kind == Delivery::Kind::kLaneLost) return next->loss;
      if (next->kind != Delivery::Kind::kFrame) return absl::StrCat("ended after ", i);
      const std::optional<uint64_t> number = CheckPattern(next->frame.payload);
      if (!number.has_value()) return absl::DataLossError("a frame with wrong bytes");
      if (i == 0) first = *number;
      if (*number != first + i) {
        return absl::DataLossError(absl::StrCat("frame ", *number, " after ", last));
      }
      last = *number;
    }
    return absl::StrCat("ok ", first, " ", last);
  }

  absl::StatusOr<std::string> ReadOne() {
    absl::StatusOr<Delivery> next = reader_->Next(kLong);
    if (!next.ok()) return next.status();
    return next->kind == Delivery::Kind::kFrame ? "ok" : "no frame";
  }

  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  std::span<std::byte> room_;
};

int Main() {
  Peer peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    const absl::StatusOr<std::string> answer = peer.Obey(command, words);
    Say(answer.ok() ? *answer : answer.status().ToString());
  }
  return 0;
}

}  // namespace
}  // namespace causeway

int main() { return causeway::Main(); }
