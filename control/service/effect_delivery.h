// Carries out what the state machine decided.

#ifndef CAUSEWAY_CONTROL_SERVICE_EFFECT_DELIVERY_H_
#define CAUSEWAY_CONTROL_SERVICE_EFFECT_DELIVERY_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "control/files/granted_files.h"
#include "control/handoff/exit_watch.h"
#include "control/handoff/handoff_sender.h"
#include "control/service/session_links.h"
#include "control/service/split_waiters.h"
#include "control/state/effect.h"

namespace causeway {

// See EffectSink. Opening a file's descriptor is done at once, for events go out in order; what may
// take long, freeing a file's space, is queued.
class EffectDelivery : public EffectSink {
 public:
  struct Parts {
    GrantedFiles* files;
    // Runs what it is given soon, on another thread, in order.
    std::function<void(std::function<void()>)> add_slow_work;
    SessionLinks* links;
    HandoffSender* handoff;
    ExitWatch* processes;
    SplitWaiters* splits;
    // The session's connection is gone before it could be told.
    std::function<void(uint64_t session_id, uint64_t connection_id)> on_connection_lost;
  };

  // Everything in `parts` must outlive this object.
  explicit EffectDelivery(Parts parts) : parts_(std::move(parts)) {}

  void Deliver(const Effect& effect) override;

 private:
  void DeliverOne(const SendEvent& effect);
  void DeliverOne(const CloseConnection& effect);
  void DeliverOne(const SessionEnded& effect);
  void DeliverOne(const RetireFile& effect);
  void DeliverOne(const ForgetBroughtFile& effect);
  void DeliverOne(const SplitChanged& effect);

  // The connection that the event was for is closed.
  void Lost(const SendEvent& effect);

  // Fills in what the state machine does not know. False: the connection is gone.
  bool Complete(const SendEvent& effect, v1::HandoffEvent* event);

  const Parts parts_;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_SERVICE_EFFECT_DELIVERY_H_
