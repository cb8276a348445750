// A process's attachment to a coordinator: where everything else of this library comes from.
//
//   AgentOptions options;
//   options.dir = "/run/causeway";
//   options.name = "camera";
//   absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Attach(options);
//   if (!agent.ok()) return agent.status();
//   absl::StatusOr<std::unique_ptr<Writer>> writer = (*agent)->OpenWriter("frames");

#ifndef CAUSEWAY_AGENTS_AGENT_H_
#define CAUSEWAY_AGENTS_AGENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/reader.h"
#include "agents/split.h"
#include "agents/stream_options.h"
#include "agents/writer.h"

namespace causeway {

class Session;

// Something that happened to the attachment, for logs. Nothing needs to be done about it.
struct AgentEvent {
  enum class Kind {
    kAttached,        // for the first time
    kConnectionLost,  // the coordinator is away; data goes on, the agent attaches again by itself
    kReattached,      // the same session goes on
    kDraining,        // the coordinator said that it is about to stop
    kReaderJoined,    // a reader joined a lane of this agent
    kReaderLeft,      // it left, or died
    kLaneOpened,      // a writer opened a lane that a reader of this agent follows
    kLaneEnded,       // it ended
    kEvicted,         // for good: every writer and reader fails from now on
    kRejected,        // an event or a grant of the coordinator made no sense and was not obeyed; or
                      // it has forgotten a writer or a reader, which is fenced
  };
  Kind kind;
  uint64_t session_id = 0;
  uint64_t lane_id = 0;    // that it is about; 0: about none
  uint64_t reader_id = 0;  // the same
  std::string text;        // one line: who, which lane, why
};

struct AgentOptions {
  // The coordinator's directory, which holds control.sock and handoff.sock.
  std::string dir;
  // For people, in lists and messages. Need not be unique. Up to 255 bytes of printable UTF-8.
  std::string name;
  // How long Attach() tries: a coordinator that is starting, or restarting, is waited for.
  absl::Duration attach_timeout = absl::Seconds(10);
  // Deadline of each call to the coordinator.
  absl::Duration rpc_timeout = absl::Seconds(10);
  // Upper bound of the pause between two attempts to attach again.
  absl::Duration max_reattach_pause = absl::Milliseconds(250);
  // Installs the process-wide SIGBUS guard (mmapcore/sigbus_guard.h): a file that somebody
  // truncates becomes DATA_LOSS of one lane. Without it, it kills the process, as with a bare
  // mmap().
  bool guard_sigbus = true;
  // Called from the agent's own thread, one event at a time, not after the agent's session has
  // ended. Must not block for long (events wait meanwhile), and must not call the agent, its
  // writers or its readers, nor destroy them. May be empty.
  std::function<void(const AgentEvent&)> on_event;
};

// An attachment. It has two threads of its own: one obeys the coordinator's events, the other makes
// the calls that the data path needs in advance, and maps for writers what they give; the threads
// that write and read call nobody.
//
// Coordinator away: writers and readers go on with what they hold, calls that need the coordinator
// fail with Unavailable, and the agent attaches again by itself as soon as there is one. The
// session is the same then, and so are its mappings. A coordinator that does not know the session
// any more (its state was lost) ends it: writers and readers fail with FailedPrecondition, and a
// new Agent has to be attached. One that knows the session, but not a writer or a reader of it (an
// older state was restored), fences that writer or reader alone.
//
// Stopped (SIGSTOP, a debugger, a frozen container): nothing is taken from a process because it
// stands still, however long. On waking it goes on; readers of policy drop or evict are told what
// they have missed. If an operator has evicted it meanwhile, it finds itself fenced: every call
// that asks for something fails with FailedPrecondition and the operator's reason, from the first
// one that finds the news. What it still stores into the room of an old claim reaches nobody. What
// it still reads of a frame that it held may have been used again: Reader::StillValid() tells, also
// under policy block. To go on, destroy its writers, readers, extents and the agent, and attach
// anew; to go on reading in lanes that are still there, with ReaderOptions::start_positions.
//
// Thread-safe. Forking: the child of fork() has none of the threads and nothing of the lanes: where
// its parent has them mapped, a load or a store is a SIGSEGV that ends the child and harms nobody,
// and its copy of the connection is closed, so that it does not pass for its parent. It must not
// touch the agent, its writers and its readers, not even to destroy them: it ends by _exit() or
// exec(), or attaches for itself if it needs to.
// All descriptors are close-on-exec.
class Agent {
 public:
  // Attaches, waiting up to `options.attach_timeout` for the coordinator to be there.
  //
  // InvalidArgument: the name, the directory or a timeout is not allowed; the message has the rule.
  // Unavailable: no coordinator answered in time; the message names the socket and the last error.
  // PermissionDenied: its sockets are not open to this user.
  // FailedPrecondition: it speaks another version of the protocol.
  // ResourceExhausted: it has as many agents as it allows; descriptors or threads of this process.
  static absl::StatusOr<std::unique_ptr<Agent>> Attach(AgentOptions options);

  // Like Detach(), for at most a few seconds. Writers and readers that still exist keep the session
  // until the last of them is gone.
  ~Agent();

  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Opens a lane of the stream: this process becomes its only writer, besides the stream's other
  // lanes. Blocks for one call.
  //
  // InvalidArgument: the stream's name or an option is against a rule, which the message has.
  // NotFound: no such stream, and `create_if_missing` is false.
  // ResourceExhausted: a limit or storage; the message names limit, needed, free and holders.
  // FailedPrecondition: the session has ended. Unavailable: the coordinator is away; try again.
  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(std::string_view stream,
                                                     const WriterOptions& options = {});

  // Registers a reader of the stream. It is given every lane, each from its oldest frame that is
  // still there at this moment, or as `options` say. Blocks for one call. Errors as for
  // OpenWriter(), and:
  //
  // NotFound: a lane of `start_positions` is not there (any more).
  // InvalidArgument: `start` is kPosition; positions are per lane, in `start_positions`.
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(std::string_view stream,
                                                     const ReaderOptions& options = {});

  // Hands a file of the user's to the coordinator, for OpenSplit(). `fd` stays the caller's; it
  // must be open with the rights of `access`. `label` is the path as the user knows it, for
  // messages.
  //
  // InvalidArgument: not a regular file. PermissionDenied: `fd` has fewer rights than `access`.
  // FailedPrecondition, Unavailable, ResourceExhausted: as for OpenWriter().
  absl::StatusOr<BroughtFile> BringFile(int fd, std::string_view label, FileAccess access);

  // Splits two brought files into extents that workers take by `options.name`. See agents/split.h.
  absl::StatusOr<std::unique_ptr<Split>> OpenSplit(const SplitOptions& options);

  // Takes the next extent of the split, as a worker. Blocks up to `timeout` while every extent that
  // remains is held by others.
  //
  // DeadlineExceeded: they still hold them. NotFound: no such split, or its owner has closed it.
  // Aborted: the split failed; the message has the worker's reason.
  // FailedPrecondition, Unavailable: as for OpenWriter().
  absl::StatusOr<TakenExtent> TakeExtent(std::string_view split, absl::Duration timeout);

  // Ends the session: everything that it held goes back. Blocks for one call, or until the
  // coordinator has seen the connection close. Every other member function fails with
  // FailedPrecondition afterwards; a second Detach() does nothing.
  //
  // FailedPrecondition: writers, readers or extents of this agent still exist; the message names
  //   them. Destroy them first: what is still mapped cannot be given to others.
  // Unavailable: the coordinator is away. The session is over nevertheless; the coordinator hears
  //   of it when it is back, if this process lives until then, and otherwise finds it dead.
  // DataLoss, ResourceExhausted: the coordinator could not store it; otherwise the same.
  absl::Status Detach();

  // Identifies the session in the coordinator's lists.
  uint64_t session_id() const;

  // False while the coordinator is away, and for good after eviction.
  bool connected() const;

  // OK; or why the session has ended: evicted (with the operator's reason), unknown to the
  // coordinator, detached. FailedPrecondition each.
  absl::Status status() const;

 private:
  explicit Agent(std::shared_ptr<Session> session);

  std::shared_ptr<Session> session_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_AGENT_H_
