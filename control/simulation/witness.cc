#include "control/simulation/witness.h"

#include "absl/strings/str_cat.h"

namespace causeway::simulation {

void Witness::Named(uint64_t id, const std::string& what) {
  const auto [known, is_new] = names_.emplace(id, what);
  if (!is_new && known->second != what) {
    environment_.Broken("id ", id, " names ", what, " and ", known->second);
  }
}

void Witness::EpochOf(uint64_t epoch, const std::string& what) {
  const auto [known, is_new] = epochs_.emplace(epoch, what);
  if (!is_new && known->second != what) {
    environment_.Broken("epoch ", epoch, " is of ", what, " and of ", known->second);
  }
}

void Witness::CoordinatorBegan(uint64_t epoch) {
  if (epoch <= last_coordinator_) {
    environment_.Broken("coordinator epoch ", epoch, " comes after ", last_coordinator_);
  }
  last_coordinator_ = epoch;
}

void Witness::HasSession(const SimulatedProcess& process, uint64_t session_id) {
  const auto [has, is_new] = sessions_.emplace(session_id, &process);
  if (has->second != &process) {
    environment_.Broken("session ", session_id, " is had by two processes");
  }
}

void Witness::SaidToHave(int64_t pid, uint64_t session_id) {
  const auto has = sessions_.find(session_id);
  if (has != sessions_.end() && has->second->pid != pid) {
    environment_.Broken("session ", session_id, " is of process ", has->second->pid,
                        ", and said to be of ", pid);
  }
}

bool Witness::HasDied(uint64_t session_id) const {
  const auto has = sessions_.find(session_id);
  return has != sessions_.end() && !has->second->alive;
}

void Witness::Received(const SimulatedProcess& process, const Thing& descriptor) {
  Inode* const inode = files_.FindInode(descriptor.inode);
  if (inode == nullptr || descriptor.protection != v1::PROTECTION_READ_WRITE) return;
  if (inode->writer == 0) inode->writer = process.start_ticks;
  if (inode->writer != process.start_ticks) {
    environment_.Broken("inode ", inode->number, " (", inode->name, ") has two writers");
  }
}

void Witness::Taken(uint64_t file_id, uint64_t offset, uint64_t epoch,
                    const SimulatedProcess* process, uint64_t session_id) {
  EpochOf(epoch, absl::StrCat("file ", file_id, " at ", offset));
  const Holder taken = {.process = process, .session_id = session_id, .epoch = epoch};
  Holder& holder = holders_[{file_id, offset}];
  const Holder& earlier = epoch < holder.epoch ? taken : holder;
  const Holder& later = epoch < holder.epoch ? holder : taken;
  if (earlier.process != nullptr && earlier.process->may_write() &&
      !detached_.contains(earlier.session_id)) {
    environment_.Broken("file ", file_id, " at ", offset, " is granted to session ",
                        later.session_id, ", and session ", earlier.session_id,
                        " has it and lives");
  }
  holder = later;
}

void Witness::GaveBack(uint64_t file_id, uint64_t offset, uint64_t session_id) {
  const auto found = holders_.find({file_id, offset});
  if (found != holders_.end() && found->second.session_id == session_id) holders_.erase(found);
}

void Witness::GaveBackAll(uint64_t session_id) {
  detached_.insert(session_id);
  std::erase_if(holders_,
                [session_id](const auto& entry) { return entry.second.session_id == session_id; });
}

}  // namespace causeway::simulation
