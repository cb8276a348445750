#include "tests/bench/client.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/reader.h"
#include "agents/writer.h"
#include "tests/bench/channel_transport.h"

namespace causeway::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

absl::StatusOr<std::shared_ptr<Agent>> Attach(const ChannelSpec& spec, const std::string& name) {
  AgentOptions options;
  options.dir = spec.coordinator_dir;
  options.name = name;
  return Agent::Attach(std::move(options));
}

WaitMode ModeOf(Waiting waiting) {
  switch (waiting) {
    case Waiting::kSpin:
      return WaitMode::kSpin;
    case Waiting::kPark:
      return WaitMode::kPark;
    case Waiting::kAdaptive:
      break;
  }
  return WaitMode::kAdaptive;
}

class ClientChannel {
 public:
  class Writer {
   public:
    Writer(std::shared_ptr<Agent> agent, std::unique_ptr<causeway::Writer> writer, Waiting waiting)
        : agent_(std::move(agent)), writer_(std::move(writer)), waiting_(waiting) {}

    std::byte* Claim(size_t bytes) {
      if (std::byte* const room = writer_->TryClaim(bytes)) [[likely]]
        return room;
      return ClaimSlow(bytes);
    }
    bool Commit(size_t bytes) { return writer_->Commit(bytes); }
    bool Flush() { return true; }
    std::string error() const { return status_.ok() ? "" : status_.ToString(); }
    uint64_t live_bytes() const { return 0; }

   private:
    std::byte* ClaimSlow(size_t bytes) {
      if (waiting_ == Waiting::kSpin) {
        for (int i = 0; i < kLooks; ++i) {
          if (std::byte* const room = writer_->TryClaim(bytes)) return room;
        }
      }
      const absl::StatusOr<std::span<std::byte>> room = writer_->Claim(bytes, kPatience);
      status_ = room.status();
      return room.ok() ? room->data() : nullptr;
    }

    static constexpr int kLooks = 10'000;

    const std::shared_ptr<Agent> agent_;
    const std::unique_ptr<causeway::Writer> writer_;
    const Waiting waiting_;
    absl::Status status_;
  };

  class Reader {
   public:
    Reader(std::shared_ptr<Agent> agent, std::unique_ptr<causeway::Reader> reader)
        : agent_(std::move(agent)), reader_(std::move(reader)) {}

    std::span<const std::byte> Next() {
      Frame frame;
      if (reader_->TryNext(frame)) [[likely]]
        return frame.payload;
      return NextSlow();
    }
    void Release() {}  // Asking for the next one does it.
    void Pause() {
      Frame frame;
      reader_->TryNext(frame);  // There is none: gives up the last one.
    }
    std::string error() const { return error_; }

   private:
    std::span<const std::byte> NextSlow() {
      const absl::StatusOr<Delivery> next = reader_->Next(absl::InfiniteDuration());
      if (!next.ok()) {
        error_ = next.status().ToString();
      } else if (next->kind == Delivery::Kind::kFrame) {
        return next->frame.payload;
      } else if (next->kind == Delivery::Kind::kLaneLost) {
        error_ = next->loss.ToString();
      } else {
        error_ = "the stream ended";
      }
      return {};
    }

    const std::shared_ptr<Agent> agent_;
    const std::unique_ptr<causeway::Reader> reader_;
    std::string error_;
  };

  static absl::StatusOr<std::unique_ptr<ClientChannel>> Create(const ChannelSpec& spec) {
    return std::unique_ptr<ClientChannel>(new ClientChannel(spec));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    auto agent = Attach(spec_, spec_.name + "-writer");
    if (!agent.ok()) return agent.status();
    auto writer = (*agent)->OpenWriter(spec_.name);
    if (!writer.ok()) return writer.status();
    const absl::Status all =
        (*writer)->WaitForReaders(static_cast<size_t>(spec_.readers), kPatience);
    if (!all.ok()) return all;
    return std::make_unique<Writer>(*std::move(agent), *std::move(writer), spec_.waiting);
  }

  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    auto agent = Attach(spec_, spec_.name + "-reader");
    if (!agent.ok()) return agent.status();
    auto reader = (*agent)->OpenReader(spec_.name, {.wait_mode = ModeOf(spec_.waiting)});
    if (!reader.ok()) return reader.status();
    return std::make_unique<Reader>(*std::move(agent), *std::move(reader));
  }

 private:
  explicit ClientChannel(const ChannelSpec& spec) : spec_(spec) {}

  const ChannelSpec spec_;
};

}  // namespace

std::unique_ptr<Transport> MakeClient() {
  return std::make_unique<ChannelTransport<ClientChannel>>();
}

}  // namespace causeway::bench
