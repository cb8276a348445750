// Whatever stands in frames that pass for requests and responses: headers are taken only where a
// naive reading of the bytes agrees, and a response reaches the request that it names, or none.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "agents/pending_requests.h"
#include "agents/request_format.h"
#include "mmapcore/deadline.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

[[noreturn]] void Fail(const char* what) {
  std::cerr << what << "\n";
  std::abort();
}

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <typename T>
T At(const std::string& frame, size_t offset) {
  T value;
  std::memcpy(&value, frame.data() + offset, sizeof(value));
  return value;
}

void CheckRequest(const std::string& frame) {
  const bool valid = frame.size() >= 32 && frame.compare(0, 8, "CWRQ\x01\0\0\0", 8) == 0 &&
                     At<int64_t>(frame, 16) > 0;
  const std::optional<RequestHeader> header = DecodeRequestHeader(Bytes(frame));
  if (header.has_value() != valid) Fail("a request was taken for what it is not");
  if (valid && header->request_id != At<uint64_t>(frame, 8)) Fail("another id");
}

// Requests, as a map knows them.
class Model {
 public:
  explicit Model(FuzzInput& input)
      : input_(input), most_(1 + input.Below<size_t>(8)), pending_(most_, input.Take<uint64_t>()) {}

  void Run() {
    while (!input_.empty()) Step();
  }

 private:
  enum class State { kWaits, kAnswered, kFailed };
  struct Known {
    State state = State::kWaits;
    std::string response;
  };

  void Step() {
    switch (input_.Below<uint8_t>(8)) {
      case 0:
      case 1:
        if (pending_.full() != (known_.size() == most_)) Fail("full too early or too late");
        if (pending_.full()) return;
        last_ = pending_.Add(Deadline::Infinite()).id;
        if (!known_.try_emplace(last_).second) Fail("an id that there was already");
        return;
      case 2:
        return Remove(SomeId());
      case 3:
        if (pending_.FailAll(absl::UnavailableError("all")) != FailKnown()) Fail("failed others");
        return;
      case 4:
        return CheckRequest(input_.TakeBytes(64));
      case 5:
        return CheckRequest(Mutated(RequestHeader{}));
      default: {
        ResponseHeader header;
        header.requester_lane = 1;
        header.request_id = SomeId();
        header.code = input_.Take<uint16_t>() & 0xC01F;
        return Respond(Mutated(header) + input_.TakeBytes(2000));
      }
    }
  }

  uint64_t SomeId() {
    const uint64_t id = input_.Below<uint8_t>(4) == 0 ? input_.Take<uint64_t>() : last_;
    return known_.empty() || input_.Below<uint8_t>(2) == 0 ? id : known_.begin()->first;
  }

  // Mostly as it is.
  template <typename Header>
  std::string Mutated(const Header& header) {
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
    if (input_.Below<uint8_t>(4) == 0) {
      bytes[input_.Below<size_t>(bytes.size())] ^= input_.Take<char>();
    }
    return bytes;
  }

  size_t FailKnown() {
    size_t failed = 0;
    for (auto& [id, known] : known_) {
      if (known.state != State::kWaits) continue;
      known.state = State::kFailed;
      ++failed;
    }
    return failed;
  }

  void Respond(const std::string& frame) {
    const std::optional<ResponseHeader> header = DecodeResponseHeader(Bytes(frame));
    if (header.has_value() != (frame.compare(0, 6, "CWRS\x01\0", 6) == 0)) Fail("not a response");
    if (!header.has_value()) return;
    const auto known = known_.find(At<uint64_t>(frame, 16));
    const bool waits = known != known_.end() && known->second.state == State::kWaits;
    const std::string payload = frame.substr(sizeof(*header));
    PendingRequests::Place* const place = pending_.Fill(*header, Bytes(payload));
    if ((place != nullptr) != waits) Fail("a response for nobody, or none for somebody");
    // Not settled: it may come again.
    if (place == nullptr || input_.Below<uint8_t>(4) == 0) return;
    if (!place->waits()) Fail("settled by itself");
    pending_.Settle(*place);
    const bool ok = At<uint16_t>(frame, 6) == 0;
    known->second = {ok ? State::kAnswered : State::kFailed, payload};
  }

  void Remove(uint64_t id) {
    PendingRequests::Place* const place = pending_.Find(id);
    const auto known = known_.find(id);
    if ((place != nullptr) != (known != known_.end())) Fail("found another");
    if (place == nullptr) return;
    if (place->waits() != (known->second.state == State::kWaits)) Fail("another state");
    if (known->second.state == State::kAnswered) {
      const std::string response(reinterpret_cast<const char*>(place->response.data()),
                                 place->response.size());
      if (!place->status.ok() || response != known->second.response) Fail("another response");
    }
    if (known->second.state == State::kFailed && place->status.ok()) Fail("no error");
    pending_.Remove(*place);
    known_.erase(known);
  }

  FuzzInput& input_;
  const size_t most_;
  PendingRequests pending_;
  std::map<uint64_t, Known> known_;
  uint64_t last_ = 0;
};

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::Model(input).Run();
  return 0;
}
