// A requester or a responder that a test commands in lines: one answer for each on descriptor 3.
//
//   attach <dir> <name>        ok
//   serve <service>            answers "ok", then serves until it is killed: the response to
//   pattern
//                              frame n is pattern frame n + 1, as long; n = 0 is not answered
//   ask <service> <count> <bytes> <first>    so many requests, a few at a time, and checks each
//                              response; answers "ok", or what went wrong
//
// What fails answers with the status in one line.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/requester.h"
#include "agents/responder.h"
#include "agents/testing/pattern.h"

namespace causeway {
namespace {

constexpr int kReportFd = 3;
constexpr absl::Duration kLong = absl::Minutes(5);
constexpr size_t kAtATime = 8;

void Say(const std::string& line) {
  const std::string bytes = absl::StrReplaceAll(line, {{"\n", " "}}) + "\n";
  if (write(kReportFd, bytes.data(), bytes.size()) < 0) _exit(1);
}

class Peer {
 public:
  absl::Status Obey(const std::string& command, std::istream& arguments) {
    if (command == "attach") return Attach(arguments);
    if (command == "serve") return Serve(arguments);
    if (command == "ask") return Ask(arguments);
    return absl::InvalidArgumentError(command);
  }

 private:
  absl::Status Attach(std::istream& arguments) {
    AgentOptions options;
    arguments >> options.dir >> options.name;
    absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(std::move(options));
    if (!agent.ok()) return agent.status();
    agent_ = *std::move(agent);
    return absl::OkStatus();
  }

  absl::Status Serve(std::istream& arguments) {
    std::string service;
    arguments >> service;
    const absl::StatusOr<std::unique_ptr<Responder>> responder = Responder::Open(*agent_, service);
    if (!responder.ok()) return responder.status();
    Say("ok");
    while (true) {
      const absl::StatusOr<std::optional<Request>> request = (*responder)->Next(kLong);
      if (!request.ok()) return request.status();
      if (!request->has_value()) continue;
      const std::optional<uint64_t> number = CheckPattern((*request)->payload);
      if (!number.has_value()) {
        (*responder)->Fail(**request, absl::DataLossError("wrong bytes")).IgnoreError();
        continue;
      }
      if (*number == 0) continue;
      const size_t bytes = (*request)->payload.size();
      const absl::StatusOr<std::span<std::byte>> room = (*responder)->Claim(**request, bytes);
      if (!room.ok()) return room.status();
      FillPattern(*number + 1, *room);
      if (absl::Status status = (*responder)->Commit(bytes); !status.ok()) return status;
    }
  }

  absl::Status Ask(std::istream& arguments) {
    std::string service;
    uint64_t count, bytes, first;
    arguments >> service >> count >> bytes >> first;
    const absl::StatusOr<std::unique_ptr<Requester>> requester = Requester::Open(*agent_, service);
    if (!requester.ok()) return requester.status();
    std::deque<std::pair<RequestId, uint64_t>> pending;
    for (uint64_t sent = 0; sent < count || !pending.empty();) {
      if (sent < count && pending.size() < kAtATime) {
        const absl::StatusOr<std::span<std::byte>> room = (*requester)->Claim(bytes, kLong);
        if (!room.ok()) return room.status();
        FillPattern(first + sent, *room);
        const absl::StatusOr<RequestId> id = (*requester)->Send(bytes);
        if (!id.ok()) return id.status();
        pending.emplace_back(*id, first + sent);
        ++sent;
        continue;
      }
      const auto [id, number] = pending.front();
      pending.pop_front();
      const absl::StatusOr<std::span<const std::byte>> response = (*requester)->Wait(id);
      if (!response.ok()) return response.status();
      if (response->size() != bytes || CheckPattern(*response) != number + 1) {
        return absl::DataLossError(absl::StrCat("a wrong response to ", number));
      }
    }
    return absl::OkStatus();
  }

  std::unique_ptr<Agent> agent_;
};

int Main() {
  Peer peer;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    const absl::Status status = peer.Obey(command, words);
    Say(status.ok() ? "ok" : status.ToString());
  }
  return 0;
}

}  // namespace
}  // namespace causeway

int main() { return causeway::Main(); }
