#include "control/coordinator.h"

#include <chrono>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "control/directory/coordinator_directory.h"
#include "control/directory/unix_socket.h"
#include "control/files/file_store.h"
#include "control/files/huge_page_choice.h"
#include "control/files/work_queue.h"
#include "control/handoff/event_loop.h"
#include "control/handoff/handoff_server.h"
#include "control/handoff/loop_timer.h"
#include "control/handoff/process_watch.h"
#include "control/log/log.h"
#include "control/process/incarnation.h"
#include "control/recovery.h"
#include "control/service/admin_calls.h"
#include "control/service/call_limiter.h"
#include "control/service/calls.h"
#include "control/service/effect_delivery.h"
#include "control/service/obligations.h"
#include "control/service/reader_calls.h"
#include "control/service/rpc_server.h"
#include "control/service/services.h"
#include "control/service/session_gate.h"
#include "control/service/session_links.h"
#include "control/service/split_calls.h"
#include "control/service/split_waiters.h"
#include "control/service/writer_calls.h"
#include "control/state/catalog.h"
#include "control/state/queries.h"
#include "control/state/state_thread.h"
#include "control/store/sqlite_store.h"
#include "control/store/store.h"
#include "control/watched_store.h"
#include "mmapcore/crash_point.h"

namespace causeway {
namespace {

// How long what could not be stored waits for its next attempt.
constexpr std::chrono::milliseconds kRepeatDelay(1000);

// How long calls that run may go on once the coordinator stops.
constexpr absl::Duration kShutdownGrace = absl::Seconds(2);

HandoffLimits HandoffLimitsOf(const ServingLimits& limits) {
  return {.max_connections = limits.max_connections,
          .hello_deadline = std::chrono::milliseconds(limits.hello_deadline_ms),
          .outbound = {.max_datagrams = limits.max_unread_events,
                       .max_bytes = limits.max_unread_bytes}};
}

RpcLimits RpcLimitsOf(const ServingLimits& limits) {
  return {.max_request_bytes = limits.max_request_bytes,
          .max_threads = static_cast<int>(limits.max_rpc_threads)};
}

v1::HandoffEvent DrainingEvent() {
  v1::HandoffEvent event;
  event.mutable_draining();
  return event;
}

}  // namespace

// In the order in which they are made, each knowing those before it:
//
//   handoff.sock ─► event loop ─► session gate ─┐                       ┌─► effect delivery ─►
//   agents control.sock ─► RPC ─► writer, reader, split calls ─► state thread ─┤ └► files
//   admin.sock   ─► RPC ─► admin calls ─────────┘                       └─► store
struct Coordinator::Parts {
  Parts(const CoordinatorOptions& options, CoordinatorDirectory directory)
      : options(options),
        directory(std::move(directory)),
        files(this->directory.files_path(), this->directory.volatile_files_path()),
        splits(options.serving.max_waiting_workers),
        limiter(options.serving.max_calls_per_agent) {}

  absl::Status OpenState();
  absl::Status Serve();
  bool AnySessionLeft();
  void Stop();

  const CoordinatorOptions options;
  CoordinatorDirectory directory;
  HugePageChoice huge_pages;
  std::unique_ptr<Store> store;
  FileStore files;
  SessionLinks links;
  SplitWaiters splits;
  CallLimiter limiter;
  std::unique_ptr<WorkQueue> slow_work = std::make_unique<WorkQueue>();
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<HandoffServer> handoff;
  std::unique_ptr<ProcessWatch> processes;
  std::unique_ptr<EffectDelivery> effects;
  std::unique_ptr<StateThread> state;
  std::unique_ptr<LoopTimer> repeat_timer;
  std::unique_ptr<Obligations> obligations;
  std::unique_ptr<SessionGate> gate;
  std::optional<WriterCalls> writer_calls;
  std::optional<ReaderCalls> reader_calls;
  std::optional<SplitCalls> split_calls;
  std::optional<AdminCalls> admin_calls;
  std::unique_ptr<RpcServer> agents_server;
  std::unique_ptr<RpcServer> admin_server;
};

absl::Status Coordinator::Parts::OpenState() {
  absl::StatusOr<HugePageChoice> choice =
      ChooseHugePages(options.huge_pages, directory.volatile_path());
  if (!choice.ok()) return choice.status();
  huge_pages = *std::move(choice);
  files.UseHugePages(huge_pages);
  Limits limits = options.limits;
  limits.huge_page_bytes = huge_pages.bytes;

  absl::StatusOr<std::unique_ptr<Store>> opened = OpenSqliteStore(directory.state_path());
  if (!opened.ok()) return opened.status();
  store = std::make_unique<WatchedStore>(*std::move(opened), [this](const absl::Status& status) {
    Log(LogLevel::kError, "state cannot be stored", {{"reason", status}});
    options.on_failure(status);
  });
  CAUSEWAY_CRASH_POINT("coordinator.start.store_opened");
  absl::StatusOr<std::vector<Record>> records = store->Load();
  if (!records.ok()) return records.status();
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = Catalog::FromRecords(*records, limits);
  if (!catalog.ok()) return catalog.status();

  absl::StatusOr<std::unique_ptr<EventLoop>> started = EventLoop::Start();
  if (!started.ok()) return started.status();
  loop = *std::move(started);
  absl::StatusOr<std::unique_ptr<HandoffServer>> created =
      HandoffServer::Create(loop.get(), HandoffLimitsOf(options.serving));
  if (!created.ok()) return created.status();
  handoff = *std::move(created);
  processes = std::make_unique<ProcessWatch>(
      loop.get(), [this](uint64_t session_id) { obligations->ProcessExited(session_id); },
      [this] { repeat_timer->Arm(); });
  effects = std::make_unique<EffectDelivery>(EffectDelivery::Parts{
      .files = &files,
      .add_slow_work = [this](std::function<void()> work) { slow_work->Add(std::move(work)); },
      .links = &links,
      .handoff = handoff.get(),
      .processes = processes.get(),
      .splits = &splits,
      .on_connection_lost =
          [this](uint64_t session_id, uint64_t connection_id) {
            obligations->ConnectionLost(session_id, connection_id);
          }});
  state = std::make_unique<StateThread>(*std::move(catalog), store.get(), effects.get());

  absl::StatusOr<std::unique_ptr<LoopTimer>> timer =
      LoopTimer::Create(loop.get(), kRepeatDelay, [this] {
        obligations->Repeat();
        processes->Retry();
      });
  if (!timer.ok()) return timer.status();
  repeat_timer = *std::move(timer);
  // Before the first operation that has effects.
  obligations = std::make_unique<Obligations>(state.get(), [this] { repeat_timer->Arm(); });

  absl::StatusOr<EpochStart> epoch = state->Run(
      [](Catalog& catalog) -> absl::StatusOr<EpochStart> { return catalog.BeginEpoch(); });
  if (!epoch.ok()) return epoch.status();
  CAUSEWAY_CRASH_POINT("coordinator.start.epoch_begun");
  if (absl::Status status = RecoverFiles(epoch->to_free, *state, files); !status.ok()) {
    return status;
  }
  CAUSEWAY_CRASH_POINT("coordinator.start.files_recovered");
  if (absl::Status status = RecoverSessions(epoch->to_check, *state, FindIncarnation, *processes);
      !status.ok()) {
    return status;
  }
  CAUSEWAY_CRASH_POINT("coordinator.start.sessions_recovered");
  Log(LogLevel::kInfo, "state opened",
      {{"directory", directory.path()},
       {"volatile_directory", directory.volatile_path()},
       {"huge_pages", huge_pages.description},
       {"epoch", epoch->coordinator_epoch},
       {"sessions", epoch->to_check.size()}});
  return absl::OkStatus();
}

absl::Status Coordinator::Parts::Serve() {
  const CallParts parts = {.state = state.get(), .files = &files, .obligations = obligations.get()};
  writer_calls.emplace(parts);
  reader_calls.emplace(parts);
  split_calls.emplace(parts, &splits,
                      absl::Milliseconds(static_cast<int64_t>(options.serving.max_wait_ms)));
  admin_calls.emplace(parts, CoordinatorFacts{.version = options.version,
                                              .started_unix_ms = NowUnixMs(),
                                              .directory = directory.path(),
                                              .volatile_directory = directory.volatile_path(),
                                              .huge_pages = huge_pages.description,
                                              .limits = options.limits});
  const RpcLimits limits = RpcLimitsOf(options.serving);
  absl::StatusOr<std::unique_ptr<RpcServer>> agents =
      RpcServer::Start(loop.get(), directory.control_socket(),
                       NewAgentsService({.parts = parts,
                                         .limiter = &limiter,
                                         .writers = &*writer_calls,
                                         .readers = &*reader_calls,
                                         .splits = &*split_calls}),
                       limits);
  if (!agents.ok()) return agents.status();
  agents_server = *std::move(agents);
  CAUSEWAY_CRASH_POINT("coordinator.start.agents_served");
  absl::StatusOr<std::unique_ptr<RpcServer>> admin = RpcServer::Start(
      loop.get(), directory.admin_socket(), NewAdminService(&*admin_calls), limits);
  if (!admin.ok()) return admin.status();
  admin_server = *std::move(admin);

  // Last: agents begin here, and go on to the others.
  gate = std::make_unique<SessionGate>(SessionGate::Parts{.state = state.get(),
                                                          .files = &files,
                                                          .obligations = obligations.get(),
                                                          .links = &links,
                                                          .handoff = handoff.get()});
  absl::StatusOr<UniqueFd> listening = ListenSeqpacket(directory.handoff_socket());
  if (!listening.ok()) return listening.status();
  CAUSEWAY_CRASH_POINT("coordinator.start.listening");
  return handoff->Serve(*std::move(listening), gate.get());
}

bool Coordinator::Parts::AnySessionLeft() {
  const absl::StatusOr<Page<AgentView>> agents =
      state->Run([](Catalog& catalog) { return ListAgents(catalog.books(), {.size = 1}); });
  return !agents.ok() || !agents->items.empty();
}

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Start(const CoordinatorOptions& options) {
  absl::StatusOr<CoordinatorDirectory> directory = CoordinatorDirectory::Open(
      {.path = options.directory, .volatile_path = options.volatile_directory});
  if (!directory.ok()) return directory.status();
  auto parts = std::make_unique<Parts>(options, *std::move(directory));
  absl::Status status = parts->OpenState();
  if (status.ok()) status = parts->Serve();
  std::unique_ptr<Coordinator> coordinator(new Coordinator(std::move(parts)));
  if (!status.ok()) return status;  // Shut down in good order, as far as it came.
  return coordinator;
}

Coordinator::Coordinator(std::unique_ptr<Parts> parts)
    : directory_(parts->directory.path()),
      volatile_directory_(parts->directory.volatile_path()),
      parts_(std::move(parts)) {}

Coordinator::~Coordinator() { Shutdown(); }

void Coordinator::Shutdown() {
  if (parts_ == nullptr) return;
  parts_->Stop();
  parts_.reset();  // Lets go of the lock.
  Log(LogLevel::kInfo, "stopped", {{"directory", directory_}});
}

void Coordinator::Parts::Stop() {
  // Nothing new comes in.
  if (gate != nullptr) handoff->StopAccepting();
  for (const uint64_t connection : links.Connections()) {
    handoff->Send(connection, DrainingEvent(), UniqueFd()).IgnoreError();
  }
  CAUSEWAY_CRASH_POINT("coordinator.stop.agents_told");
  splits.SendHome();
  limiter.Close(absl::Now() + kShutdownGrace);
  if (agents_server != nullptr) agents_server->Shutdown();
  if (admin_server != nullptr) admin_server->Shutdown();

  CAUSEWAY_CRASH_POINT("coordinator.stop.servers_stopped");
  // What is decided is carried out. The state thread calls the loop, so it stops first; what the
  // loop still tells it is refused, and the next coordinator finds it out anew.
  const bool opened = state != nullptr;
  const bool files_in_use = !opened || AnySessionLeft();
  if (opened) state->Shutdown();
  loop.reset();
  slow_work.reset();
  handoff.reset();
  CAUSEWAY_CRASH_POINT("coordinator.stop.state_stopped");
  if (store != nullptr) {
    const absl::Status closed = store->Close();
    if (!closed.ok()) Log(LogLevel::kError, "state not closed", {{"reason", closed}});
  }

  CAUSEWAY_CRASH_POINT("coordinator.stop.store_closed");
  // A state that could not be opened may be somebody else's: it stays, whatever was asked for.
  CoordinatorDirectory::Remove remove = CoordinatorDirectory::Remove::kSockets;
  if (opened && options.ephemeral) {
    remove = CoordinatorDirectory::Remove::kStateAndDirectoryToo;
    files.RemoveAll(v1::DURABILITY_CACHED).IgnoreError();
    files.RemoveAll(v1::DURABILITY_MEMORY).IgnoreError();
  } else if (!files_in_use) {
    remove = CoordinatorDirectory::Remove::kVolatileDirectoryToo;
    files.RemoveAll(v1::DURABILITY_MEMORY).IgnoreError();
  }
  directory.Leave(remove);
  CAUSEWAY_CRASH_POINT("coordinator.stop.directory_left");
}

}  // namespace causeway
