#include "control/service/effect_delivery.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "control/log/log.h"
#include "mmapcore/crash_point.h"

namespace causeway {

void EffectDelivery::Deliver(const Effect& effect) {
  std::visit([this](const auto& one) { DeliverOne(one); }, effect);
}

bool EffectDelivery::Complete(const SendEvent& effect, v1::HandoffEvent* event) {
  switch (event->event_case()) {
    case v1::HandoffEvent::kWelcome: {
      std::optional<Greeting> greeting =
          parts_.links->Welcome(effect.connection_id, effect.session_id);
      if (!greeting.has_value()) return false;
      event->mutable_welcome()->set_token(greeting->token);
      if (!greeting->pidfd.valid()) return true;
      const absl::Status watched =
          parts_.processes->Watch(effect.session_id, std::move(greeting->pidfd));
      if (!watched.ok()) {
        Log(LogLevel::kError, "process cannot be watched yet",
            {{"session", effect.session_id}, {"reason", watched}});
      }
      return true;
    }
    case v1::HandoffEvent::kDescriptorGranted:
      event->mutable_descriptor_granted()->set_label(
          parts_.files->Label(effect.descriptor_file_id));
      return true;
    default:
      return true;
  }
}

void EffectDelivery::DeliverOne(const SendEvent& effect) {
  v1::HandoffEvent event = effect.event;
  if (!Complete(effect, &event)) {
    Lost(effect);
    return;
  }
  UniqueFd descriptor;
  if (event.has_peer_process()) {
    if (!parts_.links->HearsOfPeers(effect.connection_id)) return;
    descriptor = parts_.processes->Pidfd(event.peer_process().session_id());
    if (!descriptor.valid()) return;  // Its death is heard of from the coordinator alone.
  }
  if (effect.descriptor_file_id != 0) {
    absl::StatusOr<UniqueFd> opened =
        parts_.files->Open(effect.descriptor_file_id, effect.descriptor_protection);
    if (!opened.ok()) {
      // Nothing may be missing in the middle: when the agent comes back it is told everything anew.
      Log(LogLevel::kError, "descriptor cannot be opened",
          {{"session", effect.session_id},
           {"file", effect.descriptor_file_id},
           {"reason", opened.status()}});
      parts_.handoff->Close(effect.connection_id, absl::StrCat("a descriptor could not be opened: ",
                                                               opened.status().message()));
      return;
    }
    descriptor = *std::move(opened);
    CAUSEWAY_CRASH_POINT("coordinator.handoff.descriptor_opened");
  }
  const absl::Status sent =
      parts_.handoff->Send(effect.connection_id, event, std::move(descriptor));
  if (absl::IsNotFound(sent)) {
    Lost(effect);
  } else if (!sent.ok()) {
    Log(LogLevel::kWarning, "event cannot be sent",
        {{"session", effect.session_id}, {"reason", sent}});
  }
}

void EffectDelivery::Lost(const SendEvent& effect) {
  // Where it was closed before its Welcome, nobody else says so.
  parts_.links->Drop(effect.connection_id);
  parts_.on_connection_lost(effect.session_id, effect.connection_id);
}

void EffectDelivery::DeliverOne(const CloseConnection& effect) {
  parts_.handoff->Close(effect.connection_id, "the session ended or moved");
}

void EffectDelivery::DeliverOne(const SessionEnded& effect) {
  parts_.processes->Forget(effect.session_id);
}

void EffectDelivery::DeliverOne(const RetireFile& effect) {
  CAUSEWAY_CRASH_POINT("coordinator.retire.begun");
  parts_.files->Forget(effect.file_id);
  parts_.add_slow_work([files = parts_.files, effect] {
    const absl::Status removed = files->Remove(effect.name, effect.durability, effect.truncate);
    if (!removed.ok()) {
      Log(LogLevel::kError, "file cannot be removed",
          {{"file", effect.file_id}, {"reason", removed}});
    }
  });
}

void EffectDelivery::DeliverOne(const ForgetBroughtFile& effect) {
  parts_.files->Forget(effect.file_id);
}

void EffectDelivery::DeliverOne(const SplitChanged& effect) { parts_.splits->Changed(effect.name); }

}  // namespace causeway
