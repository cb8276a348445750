#include "agents/reader.h"

#include <utility>

#include "agents/reader_lanes.h"
#include "agents/session.h"

namespace causeway {

Reader::Reader(std::shared_ptr<Session> session, std::shared_ptr<ReaderLanes> lanes,
               std::string stream, const StreamOptions& options, uint64_t reader_id,
               uint64_t file_id)
    : session_(std::move(session)),
      lanes_(std::move(lanes)),
      turn_(&lanes_->turn()),
      stream_(std::move(stream)),
      options_(options),
      reader_id_(reader_id),
      file_id_(file_id) {}

Reader::~Reader() { Close().IgnoreError(); }

bool Reader::TryNextSlow(Frame& frame) { return lanes_->TryNextSlow(frame); }

absl::StatusOr<Delivery> Reader::Next(absl::Duration timeout) {
  Delivery delivery;
  if (TryNext(delivery.frame)) {
    delivery.kind = Delivery::Kind::kFrame;
    return delivery;
  }
  return Explain(lanes_->Next(timeout));
}

absl::StatusOr<Delivery> Reader::Latest(absl::Duration timeout) {
  return Explain(lanes_->Latest(timeout));
}

bool Reader::StillValid(const Frame& frame) const { return lanes_->StillValid(frame); }

absl::StatusOr<Delivery> Reader::Explain(absl::StatusOr<Delivery> next) {
  if (next.ok() && next->kind == Delivery::Kind::kLaneLost) {
    // Being evicted cuts files, which a reader may notice before it is told why.
    if (absl::Status session = session_->SettledStatus(); !session.ok()) return session;
  }
  return next;
}

absl::Status Reader::WaitForWriter(absl::Duration timeout) {
  return lanes_->WaitForWriter(timeout);
}

absl::StatusOr<int> Reader::Descriptor() { return lanes_->Descriptor(); }
absl::Status Reader::ArmDescriptor() { return lanes_->ArmDescriptor(); }

absl::Status Reader::Close() {
  if (std::exchange(closed_, true)) return absl::OkStatus();
  lanes_->Close();
  // The session has let go of a fenced reader; its id may be another's.
  if (absl::Status fenced = lanes_->fenced(); !fenced.ok()) return fenced;
  return session_->CloseReader(reader_id_, file_id_);
}

size_t Reader::lanes() const { return lanes_->lanes(); }
std::vector<LaneLag> Reader::Lags() const { return lanes_->Lags(); }
ReaderCounters Reader::counters() const { return lanes_->counters(); }

}  // namespace causeway
