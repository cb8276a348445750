#include "control/directory/coordinator_directory.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control/directory/unix_socket.h"
#include "control/log/log.h"
#include "mmapcore/errno_status.h"

namespace causeway {
namespace {

constexpr char kControlSocket[] = "control.sock";
constexpr char kHandoffSocket[] = "handoff.sock";
constexpr char kAdminSocket[] = "admin.sock";
constexpr char kVolatileLink[] = "volatile";
constexpr char kLock[] = "lock";

// Of the 32 bytes of the hash: enough that no two directories of a user meet.
constexpr size_t kHashBytes = 8;

absl::StatusOr<PrivateDirectory> OpenVolatile(const std::string& real_path,
                                              const std::string& asked_for) {
  if (!asked_for.empty()) return OpenPrivateDirectory(asked_for);
  // Straight in /dev/shm: a folder of the user's around it would be made by the first coordinator
  // and removed by the last, and one may start just then.
  absl::StatusOr<PrivateDirectory> directory = OpenPrivateDirectory(DefaultVolatilePath(real_path));
  if (!directory.ok()) {
    return absl::Status(directory.status().code(),
                        absl::StrCat(directory.status().message(),
                                     " (the volatile directory; --volatile_dir chooses another)"));
  }
  return directory;
}

void WarnIfNotInMemory(const PrivateDirectory& directory) {
  if (IsInMemory(directory.descriptor.get())) return;
  Log(LogLevel::kWarning, "volatile directory is not in memory",
      {{"path", directory.path},
       {"advice", "streams with durability MEMORY will write to its disk; choose a tmpfs"}});
}

void WarnIfOpenToOthers(const PrivateDirectory& directory) {
  if (!directory.open_to_others) return;
  Log(LogLevel::kWarning, "directory is open to other users",
      {{"path", directory.path},
       {"advice", "its sockets and files are not, but their names are; chmod 700 closes it"}});
}

void LogIfFailed(const absl::Status& status) {
  if (!status.ok()) Log(LogLevel::kWarning, "left behind at shutdown", {{"reason", status}});
}

void RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return;
  LogIfFailed(StatusFromErrno(errno, {.operation = "unlink", .path = path}));
}

void RemoveDirectory(const std::string& path) {
  if (rmdir(path.c_str()) == 0 || errno == ENOENT) return;
  LogIfFailed(StatusFromErrno(errno, {.operation = "rmdir", .path = path}));
}

}  // namespace

std::string DefaultVolatilePath(const std::string& real_path) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash = {};
  EVP_Digest(real_path.data(), real_path.size(), hash.data(), nullptr, EVP_sha256(), nullptr);
  const absl::string_view start(reinterpret_cast<const char*>(hash.data()), kHashBytes);
  return absl::StrCat("/dev/shm/causeway-", geteuid(), "-", absl::BytesToHexString(start));
}

absl::StatusOr<CoordinatorDirectory> CoordinatorDirectory::Open(const Options& options) {
  absl::StatusOr<PrivateDirectory> main = OpenPrivateDirectory(options.path);
  if (!main.ok()) return main.status();
  absl::StatusOr<DirectoryLock> lock = DirectoryLock::Take(absl::StrCat(main->path, "/", kLock));
  if (!lock.ok()) return lock.status();

  absl::StatusOr<PrivateDirectory> files = OpenPrivateDirectory(main->path + "/files");
  if (!files.ok()) return files.status();
  absl::StatusOr<PrivateDirectory> in_memory = OpenVolatile(main->path, options.volatile_path);
  if (!in_memory.ok()) return in_memory.status();
  absl::StatusOr<DirectoryLock> volatile_lock =
      DirectoryLock::Take(absl::StrCat(in_memory->path, "/", kLock));
  if (!volatile_lock.ok()) return volatile_lock.status();
  absl::StatusOr<PrivateDirectory> volatile_files =
      OpenPrivateDirectory(in_memory->path + "/files");
  if (!volatile_files.ok()) return volatile_files.status();
  WarnIfOpenToOthers(*main);
  WarnIfOpenToOthers(*in_memory);
  WarnIfNotInMemory(*in_memory);

  CoordinatorDirectory directory(*std::move(main), *std::move(lock), *std::move(in_memory),
                                 *std::move(volatile_lock));
  const struct {
    const char* name;
    std::string* path;
  } sockets[] = {{kControlSocket, &directory.control_socket_},
                 {kHandoffSocket, &directory.handoff_socket_},
                 {kAdminSocket, &directory.admin_socket_}};
  for (const auto& socket : sockets) {
    absl::StatusOr<std::string> path =
        SocketPath(directory.main_.path, directory.main_.descriptor.get(), socket.name);
    if (!path.ok()) return path.status();
    *socket.path = *std::move(path);
    if (absl::Status status = RemoveStaleSocket(*socket.path); !status.ok()) return status;
  }

  // For people only, so a failure does not matter.
  const std::string link = absl::StrCat(directory.main_.path, "/", kVolatileLink);
  if (unlink(link.c_str()) == 0 || errno == ENOENT) {
    if (symlink(directory.volatile_.path.c_str(), link.c_str()) != 0) {
      Log(LogLevel::kWarning, "cannot make a link", {{"path", link}});
    }
  }
  return directory;
}

void CoordinatorDirectory::Leave(Remove remove) {
  for (const std::string* socket : {&control_socket_, &handoff_socket_, &admin_socket_}) {
    LogIfFailed(RemoveStaleSocket(*socket));
  }
  if (remove == Remove::kSockets) return;
  // The lock goes first, for a directory must be empty to be removed. Whoever takes it now keeps
  // the directory.
  RemoveFile(absl::StrCat(main_.path, "/", kVolatileLink));
  RemoveDirectory(volatile_files_path());
  RemoveFile(absl::StrCat(volatile_.path, "/", kLock));
  RemoveDirectory(volatile_.path);
  if (remove == Remove::kVolatileDirectoryToo) return;
  for (const char* suffix : {"", "-wal", "-shm", ".new"}) {
    RemoveFile(absl::StrCat(state_path(), suffix));
  }
  RemoveDirectory(files_path());
  RemoveFile(absl::StrCat(main_.path, "/", kLock));
  RemoveDirectory(main_.path);
}

}  // namespace causeway
