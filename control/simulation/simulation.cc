#include "control/simulation/simulation.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/api/v1/admin.pb.h"
#include "control/simulation/simulated_agent.h"
#include "control/simulation/simulated_calls.h"
#include "control/simulation/simulated_coordinator.h"
#include "control/simulation/witness.h"
#include "mmapcore/page.h"

namespace causeway::simulation {
namespace {

constexpr int kAgents = 3;
constexpr int kSteps = 260;

// So small that every limit is met now and then.
Limits TightLimits() {
  Limits limits;
  limits.max_agents = 5;
  limits.max_streams = 2;
  limits.max_lanes_per_stream = 3;
  limits.max_readers_per_stream = 3;
  limits.max_lanes_per_agent = 3;
  limits.max_readers_per_agent = 2;
  limits.max_writable_bytes_per_agent = 20 * PageSize();
  limits.default_segment_bytes = 2 * PageSize();
  limits.default_capacity_bytes = 8 * PageSize();
  limits.default_max_frame_bytes = PageSize();
  limits.max_splits_per_agent = 2;
  limits.max_brought_files_per_agent = 4;
  limits.max_extents_per_split = 8;
  return limits;
}

class World {
 public:
  explicit World(const SimulationOptions& options)
      : environment_(options.seed, options.bug, options.tracing),
        machine_(&environment_, options.state_disk != nullptr ? options.state_disk : &memory_),
        witness_(&environment_, &machine_.files),
        calls_(&environment_) {
    machine_.files.who_needs = [this](const Inode& inode, uint64_t offset, uint64_t length,
                                      bool truncating) {
      for (const auto& agent : agents_) {
        std::string needs = agent->Needs(inode, offset, length, truncating);
        if (!needs.empty()) return needs;
      }
      return std::string();
    };
    for (int i = 0; i < kAgents; ++i) {
      agents_.push_back(
          std::make_unique<SimulatedAgent>(i + 1, &environment_, &machine_, &witness_, &calls_));
    }
  }

  SimulationResult Run() {
    for (int step = 0; step < kSteps && holds(); ++step) Step();
    if (holds()) Finish();
    Crash();
    return {.verdict = environment_.verdict(),
            .trace = environment_.trace(),
            .restarts = starts_ - 1,
            .names = witness_.names()};
  }

 private:
  bool holds() const { return environment_.verdict().empty(); }
  Choices& choices() { return environment_.choices; }

  void Step() {
    environment_.Tick();
    if (coordinator_ != nullptr && !environment_.power()) Crash();
    if (coordinator_ == nullptr) {
      if (choices().OneIn(3)) Start();
      ActOfAgent();
      return;
    }
    if (coordinator_->failed() && choices().OneIn(3)) return Crash();
    switch (choices().Below(20)) {
      case 0:
        return ActOfOperator();
      case 1:
        return choices().OneIn(4) ? calls_.GiveUp() : void();
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
        return ActOfAgent();
      default:
        // Most of the time whatever can happen does.
        HappenOne();
    }
  }

  void ActOfAgent() { agents_[choices().Below(agents_.size())]->Act(coordinator_ != nullptr); }

  // One thing that is under way goes on. False: nothing is.
  bool HappenOne() {
    SimulatedCoordinator& coordinator = *coordinator_;
    const size_t first = choices().Below(kHappenings);
    for (size_t i = 0; i < kHappenings; ++i) {
      if (Happen((first + i) % kHappenings, coordinator)) return true;
    }
    return false;
  }

  static constexpr size_t kHappenings = 10;
  bool Happen(size_t which, SimulatedCoordinator& coordinator) {
    switch (which) {
      case 0:
        if (coordinator.state().waiting() == 0) return false;
        coordinator.state().RunBatch(1 + choices().Below(coordinator.state().waiting()));
        return true;
      case 1:
        if (calls_.sent() == 0) return false;
        calls_.Begin(&coordinator);
        return true;
      case 2:
        if (calls_.ready() == 0) return false;
        calls_.GoOn();
        return true;
      case 3:
        if (calls_.answered() == 0) return false;
        calls_.Deliver();
        return true;
      case 4:
        return ReceiveOne(coordinator);
      case 5: {
        const size_t chosen = choices().Below(agents_.size());
        for (size_t i = 0; i < agents_.size(); ++i) {
          SimulatedAgent& agent = *agents_[(chosen + i) % agents_.size()];
          if (!agent.has_news()) continue;
          agent.Read();
          return true;
        }
        return false;
      }
      case 6:
        return NoticeOneClosed(coordinator);
      case 7:
        if (!coordinator.exits().AnyExited()) return false;
        coordinator.ReportExit();
        return true;
      case 8:
        if (coordinator.unmet_obligations() == 0) return false;
        coordinator.RepeatObligations();
        return true;
      default:
        if (coordinator.slow_work() == 0) return false;
        coordinator.DoSlowWork();
        return true;
    }
  }

  bool ReceiveOne(SimulatedCoordinator& coordinator) {
    const auto& connections = machine_.network.connections();
    if (connections.empty()) return false;
    const size_t first = choices().Below(connections.size());
    for (size_t i = 0; i < connections.size(); ++i) {
      Connection* const connection = connections[(first + i) % connections.size()].get();
      if (connection->to_coordinator.empty()) continue;
      coordinator.Receive(connection);
      return true;
    }
    return false;
  }

  bool NoticeOneClosed(SimulatedCoordinator& coordinator) {
    const auto& connections = machine_.network.connections();
    if (connections.empty()) return false;
    const size_t first = choices().Below(connections.size());
    for (size_t i = 0; i < connections.size(); ++i) {
      const auto connection = connections[(first + i) % connections.size()];
      const bool ended = connection->agent_closed && connection->to_coordinator.empty();
      if (!ended && !connection->coordinator_closed) continue;
      coordinator.NoticeClosed(connection);
      return true;
    }
    return false;
  }

  void ActOfOperator() {
    const std::string stream = absl::StrCat("s", choices().Below(2));
    if (choices().OneIn(2)) return Delete(stream);
    const uint64_t session = agents_[choices().Below(agents_.size())]->session_id();
    if (session != 0) Evict(session);
  }

  void Delete(const std::string& stream) {
    calls_.Send({.what = absl::StrCat("an operator deletes ", stream),
                 .body = [stream](SimulatedCoordinator& coordinator) -> Answer {
                   v1::DeleteStreamRequest request;
                   request.set_name(stream);
                   coordinator.admin().DeleteStream(request).IgnoreError();
                   return [] {};
                 },
                 .lost = [] {}});
  }

  void Evict(uint64_t session) {
    witness_.EvictionAsked(session);
    calls_.Send({.what = absl::StrCat("an operator evicts session ", session),
                 .body = [session](SimulatedCoordinator& coordinator) -> Answer {
                   v1::EvictAgentRequest request;
                   request.set_session_id(session);
                   request.set_reason("simulated");
                   coordinator.admin().EvictAgent(request).IgnoreError();
                   return [] {};
                 },
                 .lost = [] {}});
  }

  void Start() {
    ++starts_;
    // Some die early, in their recovery; some late; some not.
    static constexpr std::array<uint64_t, 4> kPoints = {20, 120, 300, 0};
    const uint64_t bound = ending_ ? 0 : kPoints[choices().Below(kPoints.size())];
    environment_.PowerOn(bound == 0 ? 0 : 1 + choices().Below(bound));
    environment_.Trace("coordinator ", starts_, " starts");
    coordinator_ = std::make_unique<SimulatedCoordinator>(&environment_, &machine_, TightLimits());
    const absl::Status started = coordinator_->Start();
    if (!started.ok()) {
      environment_.Trace("coordinator does not start: ", started.ToString());
      const bool excused = !environment_.power() || absl::IsResourceExhausted(started) ||
                           coordinator_->failed() || machine_.state.has_failed();
      if (!excused) environment_.Broken("coordinator does not start: ", started.ToString());
      return Crash();
    }
    if (!environment_.power()) return Crash();
    witness_.CoordinatorBegan(coordinator_->epoch());
    if (choices().OneIn(2)) return;
    while (coordinator_->slow_work() > 0) coordinator_->DoSlowWork();
    if (environment_.power()) ExpectFilesAsRecorded();
  }

  void Crash() {
    environment_.Trace("coordinator is gone");
    environment_.PowerOff();
    machine_.state.CutPower();
    if (coordinator_ != nullptr) coordinator_->TurnAway();
    machine_.network.CoordinatorDied();
    calls_.CoordinatorDied();
    coordinator_.reset();
    machine_.state.Restore();
  }

  // After a recovery, with nothing left to be removed: the files are those of the records, and what
  // is granted is memory.
  void ExpectFilesAsRecorded() {
    const Books& books = coordinator_->books();
    size_t live = 0;
    for (const auto& [file_id, file] : books.files.rows()) {
      if (file.state() == records::File::STATE_RETIRED) continue;
      ++live;
      const Inode* const inode = machine_.files.FindLinked(file.name());
      if (inode == nullptr) {
        environment_.Broken(file.name(), " is recorded, and is not there");
        continue;
      }
      for (const auto& [offset, extent_id] : books.extents.OfFile(file_id)) {
        const records::Extent& extent = *books.extents.Find(extent_id);
        if (extent.state() != records::Extent::STATE_GRANTED) continue;
        for (uint64_t page = offset / PageSize(); page < (offset + extent.length()) / PageSize();
             ++page) {
          if (page < inode->pages.size() && inode->pages[page] != PageState::kHole) continue;
          environment_.Broken("page ", page, " of ", file.name(), " is recorded, and is a hole");
        }
      }
    }
    if (machine_.files.linked.size() != live && environment_.bug != PlantedBug::kRemovesNothing) {
      environment_.Broken(machine_.files.linked.size(), " files are there, and ", live,
                          " are recorded");
    }
  }

  void Settle() {
    for (int i = 0; i < 20000 && holds(); ++i) {
      environment_.Tick();
      if (coordinator_ != nullptr && (coordinator_->failed() || !environment_.power())) Crash();
      if (coordinator_ == nullptr) {
        Start();
      } else if (!HappenOne()) {
        return;
      }
    }
    if (holds()) environment_.Broken("the world does not come to rest");
  }

  // Everybody leaves, and nothing may be left.
  void Finish() {
    ending_ = true;
    Crash();
    for (int round = 0; round < 50 && holds(); ++round) {
      Settle();
      bool gone = true;
      for (const auto& agent : agents_) {
        if (!agent->gone()) agent->Leave(coordinator_ != nullptr);
        gone = gone && agent->gone();
      }
      if (gone) break;
    }
    Settle();
    if (!holds()) return;
    // Operators clean up, more than once if the disk is full: the death of some cannot be proven,
    // so that their sessions stay, fenced.
    for (int round = 0; round < 20 && holds() && CleanUp(); ++round) Settle();
    ExpectNothingLeft();
  }

  // False: there is nothing to be done.
  bool CleanUp() {
    bool any = false;
    for (const auto& [session_id, session] : coordinator_->books().sessions.rows()) {
      if (session.incarnation().pid() != 0) {
        environment_.Broken("session ", session_id, " is left, and nobody lives");
      } else if (session.state() != records::Session::STATE_FENCED) {
        Evict(session_id);
        any = true;
      }
    }
    for (const auto& [stream_id, stream] : coordinator_->books().streams.rows()) {
      Delete(stream.name());
      any = true;
    }
    return any;
  }

  void ExpectNothingLeft() {
    if (!holds()) return;
    const Books& books = coordinator_->books();
    const auto expect = [&](size_t found, const char* what) {
      if (found != 0) environment_.Broken(found, " ", what, " are left");
    };
    expect(machine_.files.linked.size(), "files");
    size_t unretired = 0;
    for (const auto& [id, file] : books.files.rows()) {
      if (file.state() != records::File::STATE_RETIRED) ++unretired;
    }
    expect(unretired, "recorded files");
    size_t lanes = 0;
    for (const auto& [id, lane] : books.lanes.rows()) {
      if (lane.state() != records::Lane::STATE_RETIRED) ++lanes;
    }
    expect(lanes, "lanes");
    expect(books.readers.size(), "readers");
    expect(books.cursors.size(), "cursors");
    expect(coordinator_->files().size(), "files that can be opened");
    expect(coordinator_->exits().size(), "processes that are watched");
    expect(coordinator_->links().Connections().size(), "connections");
    expect(machine_.network.connections().size(), "sockets");
    if (books.sessions.size() == 0) {
      expect(books.files.size(), "files of nobody");
      expect(books.extents.size(), "extents of nobody");
      expect(books.splits.size(), "splits");
      expect(books.streams.size(), "streams");
    }
    coordinator_.reset();
    expect(machine_.descriptors.CountOpen(), "descriptors");
  }

  Environment environment_;
  MemoryStateDisk memory_;
  Machine machine_;
  Witness witness_;
  SimulatedCalls calls_;
  std::vector<std::unique_ptr<SimulatedAgent>> agents_;
  std::unique_ptr<SimulatedCoordinator> coordinator_;
  uint64_t starts_ = 0;
  bool ending_ = false;
};

}  // namespace

SimulationResult Simulate(const SimulationOptions& options) { return World(options).Run(); }

}  // namespace causeway::simulation
