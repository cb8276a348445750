// Where a coordinator lives: its sockets, its state, and the files that it grants.

#ifndef CAUSEWAY_CONTROL_DIRECTORY_COORDINATOR_DIRECTORY_H_
#define CAUSEWAY_CONTROL_DIRECTORY_COORDINATOR_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/directory/directory_lock.h"
#include "control/directory/private_directory.h"
#include "mmapcore/unique_fd.h"

namespace causeway {

// What is in <dir>, and what a clean shutdown leaves:
//
//   lock                     the holder's pid                             removed
//   control.sock, handoff.sock, admin.sock     mode 0600                  removed
//   state.db, state.db-wal   the coordinator's state                      kept
//   files/                   files of streams with durability CACHED      kept
//   volatile                 a link to the volatile directory, for people removed
//
// The volatile directory is on tmpfs, by default /dev/shm/causeway-<uid>-<hash of the real path of
// dir>. It has a lock and files/, too, for streams with durability MEMORY, and is removed once no
// session needs it.
//
// Only what is the coordinator's own is ever removed, by name: whatever else lies in these
// directories stays, and they with it.
class CoordinatorDirectory {
 public:
  struct Options {
    std::string path;
    std::string volatile_path;  // empty: the default
  };

  // Makes what is missing, takes the lock, and removes the sockets of a coordinator that died.
  //
  // AlreadyExists: a coordinator serves the directory, or uses the same volatile directory; the
  // message has its pid. Others: as OpenPrivateDirectory() and RemoveStaleSocket().
  static absl::StatusOr<CoordinatorDirectory> Open(const Options& options);

  // Lets go of the locks. Removes nothing else: see Leave().
  ~CoordinatorDirectory() = default;
  CoordinatorDirectory(CoordinatorDirectory&&) noexcept = default;
  CoordinatorDirectory& operator=(CoordinatorDirectory&&) = delete;

  // Absolute, without symbolic links.
  const std::string& path() const { return main_.path; }
  const std::string& volatile_path() const { return volatile_.path; }
  std::string files_path() const { return main_.path + "/files"; }
  std::string volatile_files_path() const { return volatile_.path + "/files"; }
  std::string state_path() const { return main_.path + "/state.db"; }

  // Paths for bind() in this process, short enough for the address of a Unix socket.
  const std::string& control_socket() const { return control_socket_; }
  const std::string& handoff_socket() const { return handoff_socket_; }
  const std::string& admin_socket() const { return admin_socket_; }

  // What a clean shutdown removes beside the locks.
  enum class Remove {
    kSockets,               // sessions go on: they need their files
    kVolatileDirectoryToo,  // no session is left
    kStateAndDirectoryToo,  // the coordinator is not to come back
  };

  // Leaves the directories as at a clean shutdown. The granted files are gone already, where they
  // are to go. Call it last; what cannot be removed is logged.
  void Leave(Remove remove);

 private:
  CoordinatorDirectory(PrivateDirectory main, DirectoryLock lock,
                       PrivateDirectory volatile_directory, DirectoryLock volatile_lock)
      : main_(std::move(main)),
        lock_(std::move(lock)),
        volatile_(std::move(volatile_directory)),
        volatile_lock_(std::move(volatile_lock)) {}

  PrivateDirectory main_;
  DirectoryLock lock_;
  PrivateDirectory volatile_;
  DirectoryLock volatile_lock_;
  std::string control_socket_;
  std::string handoff_socket_;
  std::string admin_socket_;
};

// Where the volatile directory of the coordinator's directory `real_path` is, unless told
// otherwise.
std::string DefaultVolatilePath(const std::string& real_path);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_DIRECTORY_COORDINATOR_DIRECTORY_H_
