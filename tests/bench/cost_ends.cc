#include "tests/bench/cost_ends.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agents/agent.h"
#include "agents/reader.h"
#include "agents/writer.h"
#include "control/coordinator.h"
#include "mmapcore/lane_reader.h"
#include "mmapcore/lane_writer.h"
#include "mmapcore/sleep_watch.h"
#include "mmapcore/testing/scratch_directory.h"
#include "mmapcore/testing/test_lane.h"

namespace causeway::bench {
namespace {

// A thousand of them are not much memory.
constexpr uint64_t kSegmentBytes = 64 << 10;

class LaneEnds : public CostEnds {
 public:
  LaneEnds(size_t streams, size_t readers) {
    for (size_t i = 0; i < streams; ++i) {
      lanes_.push_back(std::make_unique<testing::TestLane>(
          testing::TestLaneOptions{.segment_bytes = kSegmentBytes,
                                   .capacity_bytes = 8 * kSegmentBytes,
                                   .max_frame_bytes = kCostFrameBytes,
                                   .sleep_watch = &watch_}));
      writers_.push_back(&lanes_.back()->writer());
      readers_.emplace_back();
      for (size_t k = 0; k < readers; ++k) readers_.back().push_back(lanes_.back()->Join(k + 1));
      first_readers_.push_back(readers_.back().front().get());
    }
  }

  bool Write(size_t streams, size_t frames) override {
    for (size_t i = 0; i < frames; ++i) {
      for (size_t stream = 0; stream < streams; ++stream) {
        const Claim claim = writers_[stream]->TryClaim(kCostFrameBytes);
        if (!claim || !writers_[stream]->Commit(kCostFrameBytes)) return false;
      }
    }
    return true;
  }

  bool Read(size_t streams, size_t frames) override {
    for (size_t i = 0; i < frames; ++i) {
      for (size_t stream = 0; stream < streams; ++stream) {
        if (!first_readers_[stream]->TryNext()) return false;
      }
    }
    return true;
  }

  bool CatchUp(size_t streams) override {
    for (size_t stream = 0; stream < streams; ++stream) {
      // Finding nothing publishes the cursor.
      for (const auto& reader : readers_[stream]) {
        while (reader->TryNext()) {
        }
      }
    }
    return true;
  }

  void Abandon() override {}

 private:
  SleepWatch watch_;
  std::vector<std::unique_ptr<testing::TestLane>> lanes_;
  std::vector<LaneWriter*> writers_;
  std::vector<std::vector<std::unique_ptr<LaneReader>>> readers_;
  std::vector<LaneReader*> first_readers_;
};

class ClientEnds : public CostEnds {
 public:
  static absl::StatusOr<std::unique_ptr<CostEnds>> Make(size_t streams) {
    auto ends = std::make_unique<ClientEnds>();
    CoordinatorOptions options = {.directory = ends->scratch_->File("coordinator")};
    options.ephemeral = true;
    options.limits.max_streams = std::max(options.limits.max_streams, streams);
    options.limits.max_lanes_per_agent = streams;
    options.limits.max_readers_per_agent = streams;
    auto coordinator = Coordinator::Start(options);
    if (!coordinator.ok()) return coordinator.status();
    ends->coordinator_ = *std::move(coordinator);
    for (std::unique_ptr<Agent>* agent : {&ends->writing_, &ends->reading_}) {
      AgentOptions agent_options;
      agent_options.dir = options.directory;
      agent_options.name = "cost";
      agent_options.attach_timeout = absl::Minutes(1);  // All of it may be slow.
      agent_options.rpc_timeout = absl::Minutes(1);
      auto attached = Agent::Attach(std::move(agent_options));
      if (!attached.ok()) return attached.status();
      *agent = *std::move(attached);
    }
    for (size_t i = 0; i < streams; ++i) {
      const std::string name = absl::StrCat("cost-", i);
      auto writer = ends->writing_->OpenWriter(name, {.stream = {.segment_bytes = kSegmentBytes}});
      if (!writer.ok()) return writer.status();
      auto reader = ends->reading_->OpenReader(name);
      if (!reader.ok()) return reader.status();
      const absl::Status joined = (*writer)->WaitForReaders(1, absl::Minutes(1));
      if (!joined.ok()) return joined;
      ends->writers_.push_back(*std::move(writer));
      ends->readers_.push_back(*std::move(reader));
    }
    return ends;
  }

  bool Write(size_t streams, size_t frames) override {
    for (size_t i = 0; i < frames; ++i) {
      for (size_t stream = 0; stream < streams; ++stream) {
        Writer& writer = *writers_[stream];
        if (writer.TryClaim(kCostFrameBytes) == nullptr &&
            !writer.Claim(kCostFrameBytes, absl::Minutes(1)).ok()) {
          return false;
        }
        if (!writer.Commit(kCostFrameBytes)) return false;
      }
    }
    return true;
  }

  bool Read(size_t streams, size_t frames) override {
    for (size_t i = 0; i < frames; ++i) {
      for (size_t stream = 0; stream < streams; ++stream) {
        Frame frame;
        if (!readers_[stream]->TryNext(frame)) {
          const auto next = readers_[stream]->Next(absl::Minutes(1));
          if (!next.ok() || next->kind != Delivery::Kind::kFrame) return false;
        }
      }
    }
    return true;
  }

  bool CatchUp(size_t streams) override {
    for (size_t stream = 0; stream < streams; ++stream) {
      Frame frame;
      while (readers_[stream]->TryNext(frame)) {
      }
    }
    return true;
  }

  // The coordinator is ephemeral: its end removes all that was granted.
  void Abandon() override {
    coordinator_.reset();
    scratch_.reset();
  }

 private:
  std::optional<testing::ScratchDirectory> scratch_{std::in_place};
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Agent> writing_;
  std::unique_ptr<Agent> reading_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace

std::unique_ptr<CostEnds> MakeLaneEnds(size_t streams, size_t readers) {
  return std::make_unique<LaneEnds>(streams, readers);
}

absl::StatusOr<std::unique_ptr<CostEnds>> MakeClientEnds(size_t streams) {
  return ClientEnds::Make(streams);
}

}  // namespace causeway::bench
