#include "control/recovery.h"

#include <cstddef>
#include <string>
#include <utility>

#include "control/log/log.h"
#include "control/state/queries.h"
#include "mmapcore/crash_point.h"

namespace causeway {
namespace {

absl::StatusOr<std::vector<records::File>> RecordedFiles(StateRunner& state) {
  return state.Run([](Catalog& catalog) -> absl::StatusOr<std::vector<records::File>> {
    std::vector<records::File> files;
    PageRequest next = {.size = kMaxPageSize};
    do {
      absl::StatusOr<Page<records::File>> page = ListFiles(catalog.books(), next);
      if (!page.ok()) return page.status();
      for (records::File& file : page->items) files.push_back(std::move(file));
      next.token = page->next_token;
    } while (!next.token.empty());
    return files;
  });
}

// The process of a session; nothing where it could not be identified when it attached.
absl::StatusOr<IncarnationFound> FindProcess(const IncarnationFinder& find,
                                             const records::Incarnation& incarnation) {
  if (incarnation.pid() <= 0) return IncarnationFound{.state = Incarnation::kUnknown};
  return find({.boot_id = incarnation.boot_id(),
               .pid_namespace = incarnation.pid_namespace(),
               .pid = static_cast<pid_t>(incarnation.pid()),
               .start_ticks = incarnation.start_time_ticks()});
}

}  // namespace

absl::Status RecoverFiles(const std::vector<FileRange>& to_free, StateRunner& state,
                          GrantedFiles& files) {
  absl::StatusOr<std::vector<records::File>> recorded = RecordedFiles(state);
  if (!recorded.ok()) return recorded.status();
  for (const records::File& file : *recorded) {
    if (file.state() == records::File::STATE_RETIRED) {
      // The last coordinator may have been killed before it came to that. A cursor file is never
      // cut: writers who do not know yet that its reader has left have it mapped.
      const absl::Status removed =
          files.Remove(file.name(), file.durability(),
                       /*truncate=*/file.kind() == records::File::KIND_LANE);
      CAUSEWAY_CRASH_POINT("coordinator.recover.retired_file_removed");
      if (!removed.ok()) {
        Log(LogLevel::kWarning, "file cannot be removed",
            {{"file", file.file_id()}, {"reason", removed}});
      }
    } else {
      files.Register(file.file_id(), file.name(), file.durability());
    }
  }
  for (const FileRange& range : to_free) {
    const absl::Status freed = files.Free(range);
    CAUSEWAY_CRASH_POINT("coordinator.recover.range_freed");
    if (freed.ok()) continue;
    // Its blocks stay allocated until the range is granted again or the file is removed.
    Log(LogLevel::kWarning, "range cannot be freed",
        {{"file", range.file_id}, {"offset", range.offset}, {"reason", freed}});
  }
  absl::StatusOr<size_t> strays = files.RemoveUnregistered();
  if (!strays.ok()) return strays.status();
  if (*strays > 0) Log(LogLevel::kInfo, "unrecorded files removed", {{"files", *strays}});
  return absl::OkStatus();
}

absl::Status RecoverSessions(const std::vector<records::Session>& sessions, StateRunner& state,
                             const IncarnationFinder& find, ExitWatch& processes) {
  for (const records::Session& session : sessions) {
    const uint64_t id = session.session_id();
    absl::StatusOr<IncarnationFound> found = FindProcess(find, session.incarnation());
    if (!found.ok()) return found.status();
    switch (found->state) {
      case Incarnation::kDead: {
        const absl::Status ended =
            state.Run([id](Catalog& catalog) { return catalog.sessions().ProcessExited(id); });
        CAUSEWAY_CRASH_POINT("coordinator.recover.dead_session_ended");
        if (!ended.ok()) return ended;
        Log(LogLevel::kInfo, "agent died meanwhile",
            {{"session", id}, {"pid", session.incarnation().pid()}});
        break;
      }
      case Incarnation::kAlive: {
        const absl::Status watched = processes.Watch(id, std::move(found->pidfd));
        if (!watched.ok()) return watched;
        Log(LogLevel::kInfo, "agent expected to resume",
            {{"session", id}, {"pid", session.incarnation().pid()}});
        break;
      }
      case Incarnation::kUnknown:
        Log(LogLevel::kWarning, "agent cannot be watched",
            {{"session", id},
             {"pid", session.incarnation().pid()},
             {"advice", "its pid is of another namespace; once it is gone, evict it"}});
        break;
    }
  }
  return absl::OkStatus();
}

}  // namespace causeway
