#include "control/simulation/simulated_processes.h"

#include <utility>

namespace causeway::simulation {
namespace {

constexpr char kBootId[] = "11111111-2222-3333-4444-555555555555";
constexpr uint64_t kNamespace = 1;
constexpr int64_t kPids = 6;

}  // namespace

SimulatedProcess* ProcessTable::Start() {
  auto process = std::make_unique<SimulatedProcess>();
  do {
    process->pid = 100 + static_cast<int64_t>(environment_.choices.Below(kPids));
  } while (OfPid(process->pid) != nullptr && OfPid(process->pid)->alive);
  process->start_ticks = 1000 + all_.size();
  process->provable = !environment_.choices.OneIn(12);
  all_.push_back(std::move(process));
  return all_.back().get();
}

const SimulatedProcess* ProcessTable::OfPid(int64_t pid) const {
  const SimulatedProcess* last = nullptr;
  for (const auto& process : all_) {
    if (process->pid == pid) last = process.get();
  }
  return last;
}

PeerProcess ProcessTable::Identify(const SimulatedProcess& process) {
  PeerProcess peer = {.uid = 1000, .gid = 1000};
  if (!process.provable) return peer;
  peer.identity = ProcessIdentity{.boot_id = kBootId,
                                  .pid_namespace = kNamespace,
                                  .pid = static_cast<pid_t>(process.pid),
                                  .start_ticks = process.start_ticks};
  peer.pidfd = descriptors_.Make({.pid = process.pid});
  return peer;
}

absl::StatusOr<IncarnationFound> ProcessTable::Find(const ProcessIdentity& known) {
  const SimulatedProcess* const process = OfPid(known.pid);
  IncarnationFound found = {.state = Incarnation::kDead};
  if (process == nullptr || !process->alive || process->start_ticks != known.start_ticks) {
    return found;
  }
  if (environment_.bug == PlantedBug::kStoppedFoundDead && process->stopped) return found;
  found.state = Incarnation::kAlive;
  found.pidfd = descriptors_.Make({.pid = process->pid});
  return found;
}

absl::Status SimulatedExitWatch::Watch(uint64_t session_id, UniqueFd pidfd) {
  const Thing thing = descriptors_.Take(std::move(pidfd));
  watched_[session_id] = processes_.OfPid(thing.pid);
  return absl::OkStatus();
}

UniqueFd SimulatedExitWatch::Pidfd(uint64_t session_id) {
  auto found = watched_.find(session_id);
  if (found == watched_.end() || found->second == nullptr) return UniqueFd();
  if (environment_.bug == PlantedBug::kPidfdOfAnother) found = watched_.begin();
  return descriptors_.Make({.pid = found->second->pid});
}

bool SimulatedExitWatch::Exited(const SimulatedProcess* process) const {
  if (process == nullptr) return false;
  if (environment_.bug == PlantedBug::kSuspicionIsProof && process->stopped) return true;
  if (environment_.bug == PlantedBug::kExitUnheard && process->pid % 2 == 0) return false;
  return !process->alive;
}

bool SimulatedExitWatch::AnyExited() const {
  for (const auto& [session_id, process] : watched_) {
    if (Exited(process)) return true;
  }
  return false;
}

std::optional<uint64_t> SimulatedExitWatch::TakeExited() {
  for (const auto& [session_id, process] : watched_) {
    if (!Exited(process)) continue;
    const uint64_t exited = session_id;
    watched_.erase(exited);
    return exited;
  }
  return std::nullopt;
}

}  // namespace causeway::simulation
