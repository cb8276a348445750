#include "control/simulation/simulated_files.h"

#include <algorithm>
#include <utility>

#include "control/simulation/fiber.h"
#include "mmapcore/page.h"

namespace causeway::simulation {
namespace {

absl::Status Killed() { return absl::UnavailableError("the coordinator is dead"); }

// Other calls may run here, as while a thread waits for the disk.
void WaitForDisk() {
  if (Fiber* const fiber = Fiber::Current(); fiber != nullptr) fiber->Pause();
}

}  // namespace

Inode* FileSystem::FindLinked(const std::string& name) {
  const auto found = linked.find(name);
  return found == linked.end() ? nullptr : found->second;
}

Inode* FileSystem::FindInode(uint64_t number) {
  const auto found = inodes.find(number);
  return found == inodes.end() ? nullptr : found->second.get();
}

Inode* FileSystem::FindFile(uint64_t file_id) {
  for (const auto& [number, inode] : inodes) {
    if (inode->file_id == file_id) return inode.get();
  }
  return nullptr;
}

void SimulatedFiles::Register(uint64_t file_id, const std::string& name, v1::Durability) {
  names_[file_id] = name;
}

void SimulatedFiles::Bring(uint64_t file_id, MappedFile) { brought_.insert(file_id); }

void SimulatedFiles::PunchHole(Inode* inode, const FileRange& range) {
  const std::string holder =
      disk_.who_needs(*inode, range.offset, range.length, /*truncating=*/false);
  if (!holder.empty()) {
    environment_.Broken("bytes of ", range.name, " at ", range.offset,
                        " are freed, which are granted to ", holder);
  }
  const size_t first = range.offset / PageSize();
  const size_t end = std::min(first + range.length / PageSize(), inode->pages.size());
  for (size_t page = first; page < end; ++page) inode->pages[page] = PageState::kHole;
}

absl::Status SimulatedFiles::Back(const FileRange& range) {
  WaitForDisk();
  if (!environment_.Reach("before files are made")) return Killed();
  Inode* inode = disk_.FindLinked(range.name);
  if (range.create) {
    if (inode != nullptr) return absl::AlreadyExistsError(range.name + " exists");
    const uint64_t number = disk_.inodes.size() + 1;
    auto made = std::make_unique<Inode>();
    made->number = number;
    made->file_id = range.file_id;
    made->name = range.name;
    inode = made.get();
    disk_.inodes[number] = std::move(made);
    disk_.linked[range.name] = inode;
    names_[range.file_id] = range.name;
  }
  if (inode == nullptr) return absl::NotFoundError(range.name + " is not there");
  if (!environment_.Reach("when a file is made and empty")) return Killed();
  if (!range.create) {
    if (!names_.contains(range.file_id)) return absl::NotFoundError(range.name + " is no file");
    PunchHole(inode, range);
  }
  size_t pages = range.length / PageSize();
  const bool full = environment_.choices.OneIn(25);
  if (full && pages > 0) pages = environment_.choices.Below(pages);
  if (environment_.bug == PlantedBug::kNotBacked && pages > 1) --pages;
  const size_t first = range.offset / PageSize();
  if (inode->pages.size() < first + pages) inode->pages.resize(first + pages, PageState::kHole);
  for (size_t page = first; page < first + pages; ++page) {
    if (inode->pages[page] == PageState::kHole) inode->pages[page] = PageState::kZero;
  }
  environment_.Trace(range.name, " has ", pages, " pages at ", range.offset,
                     full ? ", then the disk is full" : "");
  if (!environment_.Reach("when files are made")) return Killed();
  WaitForDisk();
  if (full) return absl::ResourceExhaustedError("the simulated disk is full");
  return absl::OkStatus();
}

absl::Status SimulatedFiles::Free(const FileRange& range) {
  WaitForDisk();
  if (!environment_.Reach("before blocks are freed")) return Killed();
  if (Inode* const inode = disk_.FindLinked(range.name); inode != nullptr) {
    PunchHole(inode, range);
    environment_.Trace(range.name, " is freed at ", range.offset);
  }
  if (!environment_.Reach("when blocks are freed")) return Killed();
  WaitForDisk();
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> SimulatedFiles::Open(uint64_t file_id, v1::Protection protection) const {
  if (!environment_.Reach("before a descriptor is opened")) return Killed();
  if (brought_.contains(file_id)) return descriptors_.Make({.protection = protection});
  const auto found = names_.find(file_id);
  Inode* const inode = found == names_.end() ? nullptr : disk_.FindLinked(found->second);
  if (inode == nullptr) return absl::NotFoundError(absl::StrCat("no file has the id ", file_id));
  if (environment_.choices.OneIn(300)) return absl::ResourceExhaustedError("too many open files");
  return descriptors_.Make({.inode = inode->number, .protection = protection});
}

std::string SimulatedFiles::Label(uint64_t file_id) const {
  const auto found = names_.find(file_id);
  return found == names_.end() ? "" : found->second;
}

std::optional<uint64_t> SimulatedFiles::ReadWord(uint64_t, uint64_t) const { return std::nullopt; }

void SimulatedFiles::Forget(uint64_t file_id) {
  names_.erase(file_id);
  brought_.erase(file_id);
}

absl::Status SimulatedFiles::Remove(const std::string& name, v1::Durability, bool truncate) {
  if (!environment_.Reach("before a file is removed")) return Killed();
  if (environment_.bug == PlantedBug::kRemovesNothing) return absl::OkStatus();
  if (environment_.bug == PlantedBug::kAlwaysTruncates) truncate = true;
  Inode* const inode = disk_.FindLinked(name);
  if (inode == nullptr) return absl::OkStatus();
  disk_.linked.erase(name);
  environment_.Trace(name, truncate ? " is unlinked and cut" : " is unlinked");
  if (!environment_.Reach("when a file is unlinked")) return Killed();
  if (truncate) {
    const std::string holder =
        disk_.who_needs(*inode, 0, inode->pages.size() * PageSize(), /*truncating=*/true);
    if (!holder.empty()) environment_.Broken(name, " is cut under ", holder);
    inode->pages.clear();
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> SimulatedFiles::RemoveUnregistered() {
  std::set<std::string> registered;
  for (const auto& [file_id, name] : names_) registered.insert(name);
  std::vector<std::string> strays;
  for (const auto& [name, inode] : disk_.linked) {
    if (!registered.contains(name)) strays.push_back(name);
  }
  for (const std::string& name : strays) {
    const absl::Status removed = Remove(name, v1::DURABILITY_MEMORY, /*truncate=*/false);
    if (!removed.ok()) return removed;
  }
  return strays.size();
}

}  // namespace causeway::simulation
