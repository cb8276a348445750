#include "control/simulation/simulated_coordinator.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "control/recovery.h"
#include "control/state/catalog.h"

namespace causeway::simulation {

SimulatedCoordinator::SimulatedCoordinator(Environment* environment, Machine* machine,
                                           const Limits& limits)
    : environment_(*environment),
      machine_(*machine),
      limits_(limits),
      files_(environment, &machine->files, &machine->descriptors),
      handoff_(environment, &machine->network, &machine->descriptors),
      exits_(environment, &machine->processes, &machine->descriptors) {}

SimulatedCoordinator::~SimulatedCoordinator() { TurnAway(); }

void SimulatedCoordinator::TurnAway() {
  if (state_.has_value()) state_->TurnAway();
}

absl::Status SimulatedCoordinator::Start() {
  absl::StatusOr<std::unique_ptr<Store>> opened = machine_.state.Open();
  if (!opened.ok()) return opened.status();
  store_.emplace(std::make_unique<SimulatedStore>(&environment_, *std::move(opened)),
                 [this](const absl::Status&) { failed_ = true; });
  absl::StatusOr<std::vector<Record>> records = store_->Load();
  if (!records.ok()) return records.status();
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = Catalog::FromRecords(*records, limits_);
  if (!catalog.ok()) return catalog.status();
  effects_.emplace(EffectDelivery::Parts{
      .files = &files_,
      .add_slow_work =
          [this](std::function<void()> work) { slow_work_.push_back(std::move(work)); },
      .links = &links_,
      .handoff = &handoff_,
      .processes = &exits_,
      .splits = &waiters_,
      .on_connection_lost =
          [this](uint64_t session_id, uint64_t connection_id) {
            obligations_->ConnectionLost(session_id, connection_id);
          }});
  state_.emplace(&environment_, *std::move(catalog), &*store_, &*effects_);
  obligations_.emplace(&*state_, [] {});
  const CallParts parts = {
      .state = &*state_, .files = &files_, .obligations = &*obligations_, .now_unix_ms = [this] {
        return environment_.now_ms();
      }};
  gate_.emplace(SessionGate::Parts{.state = &*state_,
                                   .files = &files_,
                                   .obligations = &*obligations_,
                                   .links = &links_,
                                   .handoff = &handoff_,
                                   .now_unix_ms = parts.now_unix_ms,
                                   .draw_token = [this]() -> absl::StatusOr<std::string> {
                                     std::string token = absl::StrCat("token ", ++machine_.tokens);
                                     token.resize(kTokenBytes, '.');
                                     return token;
                                   }});
  writers_.emplace(parts);
  readers_.emplace(parts);
  splits_.emplace(parts, &waiters_, absl::ZeroDuration());
  admin_.emplace(parts, CoordinatorFacts{});

  absl::StatusOr<EpochStart> epoch = state_->Run(
      [](Catalog& catalog) -> absl::StatusOr<EpochStart> { return catalog.BeginEpoch(); });
  if (!epoch.ok()) return epoch.status();
  epoch_ = epoch->coordinator_epoch;
  if (absl::Status status = RecoverFiles(epoch->to_free, *state_, files_); !status.ok()) {
    return status;
  }
  return RecoverSessions(
      epoch->to_check, *state_,
      [this](const ProcessIdentity& known) { return machine_.processes.Find(known); }, exits_);
}

void SimulatedCoordinator::ReportExit() {
  const std::optional<uint64_t> session = exits_.TakeExited();
  if (!session.has_value()) return;
  environment_.Trace("the process of session ", *session, " is heard to have ended");
  obligations_->ProcessExited(*session);
}

void SimulatedCoordinator::NoticeClosed(const std::shared_ptr<Connection>& connection) {
  handoff_.NoticeClosed(connection, &*gate_);
}

void SimulatedCoordinator::Receive(Connection* connection) {
  handoff_.Receive(connection, &machine_.processes, &*gate_);
}

void SimulatedCoordinator::DoSlowWork() {
  const std::function<void()> work = std::move(slow_work_.front());
  slow_work_.pop_front();
  work();
}

absl::Status SimulatedCoordinator::Detach(const std::string& token_sha256) {
  return RunFor(
      {.state = &*state_, .files = &files_, .obligations = &*obligations_}, token_sha256,
      [](Catalog& catalog, uint64_t session) { return catalog.sessions().Detach(session); });
}

}  // namespace causeway::simulation
