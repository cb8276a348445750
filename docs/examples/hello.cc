// One process writes a frame, any number of others read it: run `hello <dir> write` and
// `hello <dir> read`, in any order, with a coordinator serving <dir>.

#include <cstring>
#include <iostream>
#include <string_view>

#include "agents/agent.h"

// [example]
absl::Status Write(causeway::Agent& agent) {
  auto writer = agent.OpenWriter("greetings");
  if (!writer.ok()) return writer.status();
  if (auto s = (*writer)->WaitForReaders(1, absl::Seconds(30)); !s.ok()) return s;
  auto room = (*writer)->Claim(5, absl::Seconds(1));  // In the memory that the readers have mapped.
  if (!room.ok()) return room.status();
  std::memcpy(room->data(), "hello", 5);
  (*writer)->Commit(5);
  return (*writer)->Drain(absl::Seconds(30));
}

absl::Status Read(causeway::Agent& agent) {
  auto reader = agent.OpenReader("greetings");
  if (!reader.ok()) return reader.status();
  auto next = (*reader)->Next(absl::Seconds(30));
  if (!next.ok()) return next.status();
  const auto payload = next->frame.payload;  // Where the writer wrote it; nothing was copied.
  std::cout << std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size())
            << "\n";
  return absl::OkStatus();
}
// [example]

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: hello <coordinator's directory> write|read\n";
    return 2;
  }
  causeway::AgentOptions options;
  options.dir = argv[1];
  options.name = "hello";
  auto agent = causeway::Agent::Attach(options);
  absl::Status status = agent.status();
  if (status.ok()) status = argv[2] == std::string_view("write") ? Write(**agent) : Read(**agent);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
