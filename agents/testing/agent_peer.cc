// An agent that a test commands in lines: one of each, one answer on descriptor 3.
//
//   attach <dir> <name>            ok <session id>
//   write_to <stream> [<segment bytes> <capacity bytes>]    opens a writer
//   stamp_to <stream> [<segment bytes> <capacity bytes>]    of a stream with timestamps
//   read_from <stream> [block|drop|evict]                   opens a reader
//   write <count> <bytes> <first>  numbered frames; waits for room
//   flood <bytes>                  numbered frames from 0 until it fails; answers at once with
//   "ok",
//                                  and with the reason when it ends
//   claim <bytes>                  takes room, and fills it without committing
//   stomp <stores>                 stores into the room that was claimed, then asks for more
//   read <count>                   frames; answers "ok <first> <last>" if they are in order
//   read_one                       and keeps the frame
//   held                           whether the kept frame is "whole", or "gone" (used again), or
//                                  "torn": wrong, and said to be valid
//   next                           what a reader finds: "frame <number>", "gap <frames>",
//   "ended"... take <split>                   an extent; answers "ok <index>", or "finished" fill
//   <byte> <times>            stores it into every byte of the extent complete the extent maps
//   <part of a path>          the mappings of such files: address and inode of each close the
//   writer and the reader detach
//
// What fails answers with the status in one line.

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
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
    if (command == "write_to") return WriteTo(arguments, /*timestamps=*/false);
    if (command == "stamp_to") return WriteTo(arguments, /*timestamps=*/true);
    if (command == "read_from") return ReadFrom(arguments);
    if (command == "write") return Write(arguments);
    if (command == "flood") return Flood(arguments);
    if (command == "claim") return Claim(arguments);
    if (command == "stomp") return Stomp(arguments);
    if (command == "read") return Read(arguments);
    if (command == "read_one") return ReadOne();
    if (command == "held") return Held();
    if (command == "next") return Next();
    if (command == "take") return Take(arguments);
    if (command == "fill") return Fill(arguments);
    if (command == "complete") return Complete();
    if (command == "maps") return Maps(arguments);
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

  absl::StatusOr<std::string> WriteTo(std::istream& arguments, bool timestamps) {
    std::string stream;
    arguments >> stream;
    WriterOptions options;
    options.stream.timestamps = timestamps;
    if (arguments >> options.stream.segment_bytes >> options.stream.capacity_bytes) {
      options.stream.max_frame_bytes = options.stream.segment_bytes / 4;
    }
    absl::StatusOr<std::unique_ptr<Writer>> writer = agent_->OpenWriter(stream, options);
    if (!writer.ok()) return writer.status();
    writer_ = *std::move(writer);
    return "ok";
  }

  absl::StatusOr<std::string> ReadFrom(std::istream& arguments) {
    std::string stream, policy;
    arguments >> stream >> policy;
    ReaderOptions options;
    if (policy == "drop") options.policy = ReaderPolicy::kDrop;
    if (policy == "evict") options.policy = ReaderPolicy::kEvict;
    absl::StatusOr<std::unique_ptr<Reader>> reader = agent_->OpenReader(stream, options);
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
    held_ = next->frame;
    return next->kind == Delivery::Kind::kFrame ? "ok" : "no frame";
  }

  absl::StatusOr<std::string> Held() {
    // In this order: what is vouched for is what was loaded before.
    const bool whole = CheckPattern(held_.payload).has_value();
    if (!reader_->StillValid(held_)) return "gone";
    return whole ? "whole" : "torn";
  }

  absl::StatusOr<std::string> Next() {
    absl::StatusOr<Delivery> next = reader_->Next(absl::ZeroDuration());
    if (!next.ok()) return next.status();
    switch (next->kind) {
      case Delivery::Kind::kFrame:
        return absl::StrCat("frame ", CheckPattern(next->frame.payload).value_or(~uint64_t{0}));
      case Delivery::Kind::kDeadline:
        return "nothing";
      case Delivery::Kind::kEnded:
        return absl::StrCat("ended ", EndCauseName(next->end_cause));
      case Delivery::Kind::kLaneLost:
        return next->loss;
      case Delivery::Kind::kGap:
        return absl::StrCat("gap ", next->gap.frames);
    }
    return "unknown";
  }

  absl::StatusOr<std::string> Take(std::istream& arguments) {
    std::string split;
    arguments >> split;
    absl::StatusOr<TakenExtent> extent = agent_->TakeExtent(split, kLong);
    if (!extent.ok()) return extent.status();
    if (!extent->granted()) return "finished";
    extent_.emplace(*std::move(extent));
    absl::StatusOr<std::span<std::byte>> target = extent_->MapTarget();
    if (!target.ok()) return target.status();
    target_ = *target;
    return absl::StrCat("ok ", extent_->index());
  }

  absl::StatusOr<std::string> Fill(std::istream& arguments) {
    int byte, times;
    arguments >> byte >> times;
    for (int i = 0; i < times; ++i) {
      for (std::byte& place : target_) {
        const_cast<volatile std::byte&>(place) = static_cast<std::byte>(byte);
      }
    }
    return "ok";
  }

  absl::StatusOr<std::string> Complete() {
    if (absl::Status status = extent_->Complete(); !status.ok()) return status;
    return "ok";
  }

  absl::StatusOr<std::string> Maps(std::istream& arguments) {
    std::string part;
    arguments >> part;
    std::ifstream maps("/proc/self/maps");
    std::string answer, range, rights, offset, device, inode, path, line;
    while (std::getline(maps, line)) {
      if (line.find(part) == std::string::npos) continue;
      std::istringstream(line) >> range >> rights >> offset >> device >> inode >> path;
      absl::StrAppend(&answer, range, "=", inode, " ");
    }
    return answer;
  }

  std::unique_ptr<Agent> agent_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  std::span<std::byte> room_;
  Frame held_;
  std::optional<TakenExtent> extent_;
  std::span<std::byte> target_;
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
