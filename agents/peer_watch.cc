#include "agents/peer_watch.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <utility>

namespace causeway {
namespace {

// More are taken the next time.
constexpr int kMaxDeadPerTurn = 64;

bool Contains(const std::vector<uint64_t>& ids, uint64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

PeerWatch::PeerWatch() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

void PeerWatch::Watch(uint64_t session_id, UniqueFd pidfd) {
  absl::MutexLock lock(&mutex_);
  std::set<Link> links;
  if (const auto known = processes_.find(session_id); known != processes_.end()) {
    links.swap(known->second.links);
    EndLocked(known);
  }
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = session_id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd.get(), &event) != 0) return;
  processes_[session_id] = {std::move(pidfd), std::move(links)};
}

void PeerWatch::Add(uint64_t session_id, Link link) {
  absl::MutexLock lock(&mutex_);
  const auto process = processes_.find(session_id);
  if (process != processes_.end()) process->second.links.insert(link);
}

bool PeerWatch::Forget(Link link) {
  return ForgetIf([link](const Link& one) { return one == link; }) > 0;
}

void PeerWatch::ForgetLane(uint64_t lane_id) { KeepReadersOf(lane_id, {}); }

void PeerWatch::ForgetReader(uint64_t reader_id) { KeepLanesOf(reader_id, {}); }

void PeerWatch::KeepLanesOf(uint64_t reader_id, const std::vector<uint64_t>& lane_ids) {
  ForgetIf([&](const Link& one) {
    return one.peer == Role::kWriter && one.reader_id == reader_id &&
           !Contains(lane_ids, one.lane_id);
  });
}

void PeerWatch::KeepReadersOf(uint64_t lane_id, const std::vector<uint64_t>& reader_ids) {
  ForgetIf([&](const Link& one) {
    return one.peer == Role::kReader && one.lane_id == lane_id &&
           !Contains(reader_ids, one.reader_id);
  });
}

void PeerWatch::Restart() {
  absl::MutexLock lock(&mutex_);
  while (!processes_.empty()) EndLocked(processes_.begin());
}

size_t PeerWatch::ForgetIf(absl::FunctionRef<bool(const Link&)> chosen) {
  absl::MutexLock lock(&mutex_);
  for (auto it = processes_.begin(); it != processes_.end();) {
    const auto process = it++;
    const bool any = std::erase_if(process->second.links, chosen) > 0;
    if (any && process->second.links.empty()) EndLocked(process);
  }
  return std::erase_if(dead_, chosen);
}

void PeerWatch::EndLocked(Processes::iterator process) {
  // Closing the descriptor would not do: the coordinator has the same open file.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process->second.pidfd.get(), nullptr);
  processes_.erase(process);
}

std::vector<PeerWatch::Death> PeerWatch::TakeDead() {
  std::vector<Death> deaths;
  std::array<epoll_event, kMaxDeadPerTurn> ready;
  absl::MutexLock lock(&mutex_);
  const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), 0);
  for (int i = 0; i < count; ++i) {
    // A copy: the structure is packed, and its members are not aligned.
    const uint64_t session_id = ready[static_cast<size_t>(i)].data.u64;
    const auto process = processes_.find(session_id);
    if (process == processes_.end()) continue;
    for (const Link& link : process->second.links) {
      deaths.push_back({.link = link, .is_news = dead_.insert(link).second});
    }
    EndLocked(process);
  }
  return deaths;
}

}  // namespace causeway
