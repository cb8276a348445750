#include "agents/writer.h"

#include <cstring>
#include <utility>

#include "agents/session.h"
#include "agents/writer_lane.h"

namespace causeway {

Writer::Writer(std::shared_ptr<Session> session, std::shared_ptr<WriterLane> shared,
               std::string stream, const StreamOptions& options, uint64_t lane_id, uint64_t file_id)
    : lane_(shared->lane()),
      session_(std::move(session)),
      shared_(std::move(shared)),
      stream_(std::move(stream)),
      options_(options),
      lane_id_(lane_id),
      file_id_(file_id) {}

Writer::~Writer() { Close().IgnoreError(); }

absl::Status Writer::CheckOpen() const {
  if (lane_ != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError("the writer was closed");
}

absl::Status Writer::Explain(absl::Status status) {
  // Being evicted cuts the lane's file, which a writer may notice before it is told why.
  if (!absl::IsDataLoss(status)) return status;
  const absl::Status session = session_->SettledStatus();
  return session.ok() ? status : session;
}

absl::StatusOr<std::span<std::byte>> Writer::Claim(size_t bytes, absl::Duration timeout) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  if (causeway::Claim claim = lane_->TryClaim(bytes)) return claim.payload();
  absl::StatusOr<causeway::Claim> claim = shared_->ClaimUntil(bytes, timeout);
  if (!claim.ok()) return Explain(claim.status());
  return claim->payload();
}

absl::Status Writer::Write(std::span<const std::byte> payload, absl::Duration timeout) {
  absl::StatusOr<std::span<std::byte>> room = Claim(payload.size(), timeout);
  if (!room.ok()) return room.status();
  if (!payload.empty()) std::memcpy(room->data(), payload.data(), payload.size());
  if (Commit(payload.size())) return absl::OkStatus();
  return Explain(lane_->status());
}

absl::Status Writer::WaitForReaders(size_t count, absl::Duration timeout) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  return Explain(shared_->WaitForReaders(count, timeout));
}

absl::Status Writer::Drain(absl::Duration timeout) {
  if (absl::Status status = CheckOpen(); !status.ok()) return status;
  return Explain(shared_->Drain(timeout));
}

absl::Status Writer::Close() {
  if (lane_ == nullptr) return absl::OkStatus();
  const absl::Status status = lane_->status();
  lane_ = nullptr;
  shared_->Close();
  // The session has let go of a fenced lane; its id may be another's.
  if (absl::IsFailedPrecondition(status)) return status;
  return session_->CloseWriter(lane_id_, file_id_);
}

size_t Writer::readers() const { return shared_->readers(); }

std::vector<ReaderLag> Writer::Lags() const {
  return shared_->Lags(head_.load(std::memory_order_relaxed));
}

WriterCounters Writer::counters() const { return shared_->counters(); }

}  // namespace causeway
