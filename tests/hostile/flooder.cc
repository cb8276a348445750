// An agent that floods its coordinator: obeys commands, one a line, and answers each with a line
// that counts what came back, by code, and has a text of each refusal.
//
//   calls N       N calls from many threads at once
//   big N         N calls of 100 MiB each, all at once
//   streams N     tries to open readers of N streams
//   compute N     makes no call, and has as many threads busy as for calls, for N milliseconds
//   unread N      opens and closes N readers of a lane that it writes, and never reads what it is
//                 told about it

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/testing/rpc_client.h"
#include "control/testing/test_agent.h"

namespace causeway {
namespace {

using testing::AgentsClient;
using testing::TestAgent;

constexpr int kThreads = 32;
constexpr size_t kTextBytes = 80;
constexpr size_t kBigBytes = size_t{100} << 20;

class Answers {
 public:
  void Add(const absl::Status& status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counts_[absl::StatusCodeToString(status.code())];
    if (status.ok()) return;
    // One text of those that differ in numbers only.
    std::string kind(status.message().substr(0, kTextBytes));
    kind.erase(std::remove_if(kind.begin(), kind.end(), absl::ascii_isdigit), kind.end());
    refusals_.emplace(std::move(kind), status.message());
  }
  std::string Text() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string text;
    for (const auto& [code, count] : counts_) absl::StrAppend(&text, code, " ", count, ", ");
    for (const auto& [kind, refusal] : refusals_) absl::StrAppend(&text, "| ", refusal, " ");
    return text;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, uint64_t> counts_;
  std::map<std::string, std::string> refusals_;
};

v1::OpenReaderRequest ReaderOf(const std::string& stream) {
  v1::OpenReaderRequest request;
  request.set_stream(stream);
  request.set_create_if_missing(true);
  return request;
}

class Flooder {
 public:
  explicit Flooder(const std::string& directory)
      : directory_(directory), agent_(directory, "flooder"), calls_(directory, agent_.token()) {}

  std::string Obey(const std::string& command, uint64_t count) {
    Answers answers;
    if (command == "calls") Call(count, answers);
    if (command == "big") SendBig(count, answers);
    if (command == "streams") OpenStreams(count, answers);
    if (command == "unread") Unread(count, answers);
    if (command == "compute") Compute(absl::Milliseconds(count));
    return answers.Text();
  }

 private:
  void Call(uint64_t count, Answers& answers) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        AgentsClient calls(directory_, agent_.token());
        v1::OpenWriterRequest request;
        request.set_stream("flood");
        request.set_create_if_missing(true);
        for (uint64_t n = 0; n < count / kThreads; ++n) {
          const auto opened = calls.OpenWriter(request);
          answers.Add(opened.status());
          if (!opened.ok()) continue;
          v1::CloseWriterRequest close;
          close.set_lane_id(opened->lane_id());
          answers.Add(calls.CloseWriter(close));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void SendBig(uint64_t count, Answers& answers) {
    v1::OpenReaderRequest request = ReaderOf("flood");
    request.set_idempotency_key(std::string(kBigBytes, 'x'));
    std::vector<std::thread> threads;
    for (uint64_t n = 0; n < count; ++n) {
      threads.emplace_back([&] {
        answers.Add(AgentsClient(directory_, agent_.token()).OpenReader(request).status());
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void OpenStreams(uint64_t count, Answers& answers) {
    for (uint64_t n = 0; n < count; ++n) {
      answers.Add(calls_.OpenReader(ReaderOf(absl::StrCat("flood ", n % 50))).status());
    }
  }

  void Unread(uint64_t count, Answers& answers) {
    v1::OpenWriterRequest write;
    write.set_stream("unread");
    write.set_create_if_missing(true);
    answers.Add(calls_.OpenWriter(write).status());
    for (uint64_t n = 0; n < count; ++n) {
      const auto opened = calls_.OpenReader(ReaderOf("unread"));
      answers.Add(opened.status());
      if (!opened.ok()) continue;
      v1::CloseReaderRequest close;
      close.set_reader_id(opened->reader_id());
      answers.Add(calls_.CloseReader(close));
    }
  }

  static void Compute(absl::Duration time) {
    const absl::Time end = absl::Now() + time;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([end] {
        while (absl::Now() < end) continue;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  const std::string directory_;
  TestAgent agent_;
  AgentsClient calls_;
};

}  // namespace
}  // namespace causeway

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  causeway::Flooder flooder(argv[1]);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    uint64_t count = 0;
    words >> command >> count;
    std::cout << flooder.Obey(command, count) << std::endl;
  }
}
