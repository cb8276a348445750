#include "control/service/obligations.h"

#include "control/log/log.h"
#include "mmapcore/crash_point.h"

namespace causeway {

void Obligations::Meet(std::string what, uint64_t id, Operation operation) {
  Post({.what = std::move(what), .id = id, .operation = std::move(operation)});
}

void Obligations::ConnectionLost(uint64_t session_id, uint64_t connection_id) {
  Meet("connection lost", session_id, [session_id, connection_id](Catalog& catalog) {
    return catalog.sessions().ConnectionLost(session_id, connection_id);
  });
}

void Obligations::ProcessExited(uint64_t session_id) {
  CAUSEWAY_CRASH_POINT("coordinator.exit.reported");
  Meet("process ended", session_id,
       [session_id](Catalog& catalog) { return catalog.sessions().ProcessExited(session_id); });
}

void Obligations::Post(Obligation obligation) {
  auto operation = obligation.operation;
  state_.Post(std::move(operation),
              [this, obligation = std::move(obligation)](const absl::Status& status) mutable {
                CAUSEWAY_CRASH_POINT("coordinator.obligation.recorded");
                // A limit of the state has no part in these: it is the store, or the queue, that is
                // full.
                if (!absl::IsResourceExhausted(status)) {
                  Log(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, obligation.what,
                      {{"id", obligation.id}, {"recorded", status}});
                  return;
                }
                Log(LogLevel::kError, "cannot be recorded now, and is tried again",
                    {{"what", obligation.what}, {"id", obligation.id}, {"reason", status}});
                {
                  absl::MutexLock lock(&mutex_);
                  unmet_.push_back(std::move(obligation));
                }
                repeat_soon_();
              });
}

void Obligations::Repeat() {
  std::vector<Obligation> unmet;
  {
    absl::MutexLock lock(&mutex_);
    unmet.swap(unmet_);
  }
  for (Obligation& obligation : unmet) Post(std::move(obligation));
}

size_t Obligations::unmet() const {
  absl::MutexLock lock(&mutex_);
  return unmet_.size();
}

}  // namespace causeway
