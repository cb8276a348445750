#include "tests/bench/iceoryx.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "iceoryx_hoofs/log/logmanager.hpp"
#include "iceoryx_posh/popo/untyped_publisher.hpp"
#include "iceoryx_posh/popo/untyped_subscriber.hpp"
#include "iceoryx_posh/popo/wait_set.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"
#include "tests/bench/channel_transport.h"
#include "tests/bench/iceoryx_pools.h"

namespace causeway::bench {
namespace {

// RouDi looks for news every 100 ms; 30 s are for a busy machine.
constexpr useconds_t kPauseMicros = 1000;
constexpr int kPauses = 30'000;

iox::capro::IdString_t Id(const std::string& text) {
  return iox::capro::IdString_t(iox::cxx::TruncateToCapacity, text.c_str());
}

iox::capro::ServiceDescription ServiceOf(const ChannelSpec& spec) {
  return {Id("causeway"), Id(spec.name), Id("frames")};
}

// One for each process.
void EnsureRuntime() {
  static const bool started = [] {
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
    iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(
        iox::cxx::TruncateToCapacity, absl::StrCat("causeway-bench-", getpid()).c_str()));
    return true;
  }();
  static_cast<void>(started);
}

class IceoryxChannel {
 public:
  class Writer {
   public:
    explicit Writer(const ChannelSpec& spec) : publisher_(ServiceOf(spec), Options()) {}

    std::byte* Claim(size_t bytes) {
      chunk_ = nullptr;
      publisher_.loan(static_cast<uint32_t>(bytes)).and_then([this](void* chunk) {
        chunk_ = chunk;
      });
      return static_cast<std::byte*>(chunk_);
    }
    bool Commit(size_t) {
      publisher_.publish(chunk_);
      return true;
    }
    bool Flush() { return true; }
    std::string error() const { return "iceoryx has no chunk to loan"; }
    uint64_t live_bytes() const { return 0; }

    bool Connected() const { return publisher_.hasSubscribers(); }

   private:
    static iox::popo::PublisherOptions Options() {
      iox::popo::PublisherOptions options;
      options.historyCapacity = 0;
      options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
      return options;
    }

    iox::popo::UntypedPublisher publisher_;
    void* chunk_ = nullptr;
  };

  class Reader {
   public:
    explicit Reader(const ChannelSpec& spec)
        : spins_(spec.waiting == Waiting::kSpin),
          bytes_(spec.frame_bytes),
          subscriber_(ServiceOf(spec), Options(spec)) {
      wait_set_.attachState(subscriber_, iox::popo::SubscriberState::HAS_DATA)
          .or_else([this](auto) { error_ = "iceoryx: cannot wait"; });
    }
    ~Reader() { wait_set_.detachState(subscriber_, iox::popo::SubscriberState::HAS_DATA); }

    bool Connect() const {
      for (int i = 0; i < kPauses; ++i) {
        if (subscriber_.getSubscriptionState() == iox::SubscribeState::SUBSCRIBED) return true;
        usleep(kPauseMicros);
      }
      return false;
    }

    std::span<const std::byte> Next() {
      chunk_ = nullptr;
      while (true) {
        subscriber_.take().and_then([this](const void* chunk) { chunk_ = chunk; });
        if (chunk_ != nullptr) return {static_cast<const std::byte*>(chunk_), bytes_};
        if (!spins_) wait_set_.wait();
      }
    }
    void Release() { subscriber_.release(chunk_); }
    void Pause() {}
    std::string error() const { return error_; }

   private:
    static iox::popo::SubscriberOptions Options(const ChannelSpec& spec) {
      iox::popo::SubscriberOptions options;
      options.queueCapacity = IceoryxQueueCapacity(spec.frame_bytes);
      options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
      return options;
    }

    const bool spins_;
    const size_t bytes_;
    iox::popo::UntypedSubscriber subscriber_;
    iox::popo::WaitSet<> wait_set_;
    const void* chunk_ = nullptr;
    std::string error_;
  };

  static absl::StatusOr<std::unique_ptr<IceoryxChannel>> Create(const ChannelSpec& spec) {
    return std::unique_ptr<IceoryxChannel>(new IceoryxChannel(spec));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    EnsureRuntime();
    auto writer = std::make_unique<Writer>(spec_);
    for (int i = 0; i < kPauses && !writer->Connected(); ++i) usleep(kPauseMicros);
    if (!writer->Connected()) return absl::DeadlineExceededError("no subscriber came");
    return writer;
  }

  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    EnsureRuntime();
    return std::make_unique<Reader>(spec_);
  }

 private:
  explicit IceoryxChannel(const ChannelSpec& spec) : spec_(spec) {}

  const ChannelSpec spec_;
};

class IceoryxTransport : public ChannelTransport<IceoryxChannel> {
 public:
  void Serve(const Role& role, JobFeed& feed) override {
    ChannelTransport<IceoryxChannel>::Serve(role, feed);
    // Its runtime is a static object: only its destructor takes leave of RouDi, which would
    // otherwise keep, and later signal, a process that has gone.
    std::exit(0);
  }
};

}  // namespace

std::unique_ptr<Transport> MakeIceoryx() { return std::make_unique<IceoryxTransport>(); }

}  // namespace causeway::bench
