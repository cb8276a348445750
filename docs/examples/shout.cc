// One process answers requests, any number of others ask: run `shout <dir> serve` and
// `shout <dir> ask hello`, in any order, with a coordinator serving <dir>.

#include <cctype>
#include <iostream>
#include <span>
#include <string_view>

#include "agents/agent.h"
#include "agents/requester.h"
#include "agents/responder.h"

// [example]
absl::Status Serve(causeway::Agent& agent) {
  auto responder = causeway::Responder::Open(agent, "shout");
  if (!responder.ok()) return responder.status();
  while (true) {
    auto request = (*responder)->Next(absl::Seconds(1));
    if (!request.ok()) return request.status();
    if (!request->has_value()) continue;
    const auto words = (*request)->payload;  // Where the requester wrote it.
    if (words.empty()) {
      (*responder)->Fail(**request, absl::InvalidArgumentError("nothing to shout")).IgnoreError();
      continue;
    }
    auto room = (*responder)->Claim(**request, words.size());
    if (!room.ok()) continue;  // The requester gave up, or has been told.
    for (size_t i = 0; i < words.size(); ++i) {
      (*room)[i] = static_cast<std::byte>(std::toupper(static_cast<unsigned char>(words[i])));
    }
    if (auto s = (*responder)->Commit(words.size()); !s.ok()) return s;
  }
}

absl::Status Ask(causeway::Agent& agent, std::string_view words) {
  auto requester = causeway::Requester::Open(agent, "shout");
  if (!requester.ok()) return requester.status();
  auto response = (*requester)->Call(std::as_bytes(std::span(words)), absl::Seconds(30));
  if (!response.ok()) return response.status();
  std::cout << std::string_view(reinterpret_cast<const char*>(response->data()), response->size())
            << "\n";
  return absl::OkStatus();
}
// [example]

int main(int argc, char** argv) {
  const std::string_view role = argc >= 3 ? argv[2] : "";
  if (!(argc == 3 && role == "serve") && !(argc == 4 && role == "ask")) {
    std::cerr << "usage: shout <coordinator's directory> serve | ask <words>\n";
    return 2;
  }
  causeway::AgentOptions options;
  options.dir = argv[1];
  options.name = "shout";
  auto agent = causeway::Agent::Attach(options);
  absl::Status status = agent.status();
  if (status.ok()) status = role == "serve" ? Serve(**agent) : Ask(**agent, argv[3]);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
