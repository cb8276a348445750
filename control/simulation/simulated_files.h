// A file system in memory, and the coordinator's way to it.

#ifndef CAUSEWAY_CONTROL_SIMULATION_SIMULATED_FILES_H_
#define CAUSEWAY_CONTROL_SIMULATION_SIMULATED_FILES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/types.pb.h"
#include "control/files/granted_files.h"
#include "control/simulation/descriptors.h"
#include "control/simulation/environment.h"
#include "control/state/place.h"

namespace causeway::simulation {

enum class PageState : char { kHole, kZero, kWritten };

struct Inode {
  uint64_t number = 0;
  uint64_t file_id = 0;
  std::string name;
  std::vector<PageState> pages;
  uint64_t writer = 0;  // the one process that was ever given the right to write it
};

// Outlives coordinators. Inodes live on when they are unlinked: somebody may have them mapped.
struct FileSystem {
  Inode* FindLinked(const std::string& name);
  Inode* FindInode(uint64_t number);
  // The file of that id, linked or not.
  Inode* FindFile(uint64_t file_id);

  std::map<uint64_t, std::unique_ptr<Inode>> inodes;
  std::map<std::string, Inode*> linked;
  // Who needs bytes of a file that are about to go, of those who have it mapped and did nothing to
  // lose it; empty: nobody.
  std::function<std::string(const Inode& inode, uint64_t offset, uint64_t length, bool truncating)>
      who_needs;
};

// One coordinator's FileStore. Any operation may fail for want of space or be the last one.
class SimulatedFiles : public GrantedFiles {
 public:
  SimulatedFiles(Environment* environment, FileSystem* disk, Descriptors* descriptors)
      : environment_(*environment), disk_(*disk), descriptors_(*descriptors) {}

  void Register(uint64_t file_id, const std::string& name, v1::Durability durability) override;
  void Bring(uint64_t file_id, MappedFile file) override;
  absl::Status Back(const FileRange& range) override;
  absl::Status Free(const FileRange& range) override;
  absl::StatusOr<UniqueFd> Open(uint64_t file_id, v1::Protection protection) const override;
  std::string Label(uint64_t file_id) const override;
  std::optional<uint64_t> ReadWord(uint64_t file_id, uint64_t offset) const override;
  void Forget(uint64_t file_id) override;
  absl::Status Remove(const std::string& name, v1::Durability durability, bool truncate) override;
  absl::StatusOr<size_t> RemoveUnregistered() override;

  // How many files can be opened.
  size_t size() const { return names_.size() + brought_.size(); }

 private:
  void PunchHole(Inode* inode, const FileRange& range);

  Environment& environment_;
  FileSystem& disk_;
  Descriptors& descriptors_;
  std::map<uint64_t, std::string> names_;
  std::set<uint64_t> brought_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_SIMULATED_FILES_H_
