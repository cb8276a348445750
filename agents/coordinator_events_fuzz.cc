// Whatever a hostile coordinator sends to an agent, over a real socket and with real descriptors:
// each datagram is obeyed or refused, the agent's other lanes go on, and nothing crashes.

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agents/handoff_connection.h"
#include "agents/lane_registry.h"
#include "agents/testing/local_stream.h"
#include "control/api/seqpacket/seqpacket.h"
#include "control/api/v1/handoff.pb.h"
#include "mmapcore/segment_format.h"
#include "mmapcore/unique_fd.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

constexpr int kMaxEvents = 40;
constexpr uint64_t kHonestLane = 1;
constexpr uint64_t kHonestReader = 7;
constexpr uint64_t kAttackedLane = 2;
constexpr uint64_t kAttackedReader = 8;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << what << "\n";
  std::abort();
}

// An agent with a lane and a reader that the coordinator speaks of, and a lane and a reader that it
// does not.
class AttackedAgent {
 public:
  explicit AttackedAgent(FuzzInput& input) : input_(input), registry_([](const AgentEvent&) {}) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
      Fail("socketpair");
    }
    coordinator_.Reset(ends[0]);
    connection_.emplace(UniqueFd(ends[1]), "handoff.sock");
    for (const uint64_t lane : {kHonestLane, kAttackedLane}) stream_.AddWriter(lane);
    for (const uint64_t reader : {kHonestReader, kAttackedReader}) stream_.AddReader(reader);
    stream_.Introduce(kHonestLane, kHonestReader);
    registry_.Connected(input.Below<uint8_t>(2) == 1);
    if (input.Below<uint8_t>(4) != 0) AddAttacked();
  }

  void Run() {
    LaneRegistry::Opening opening(registry_);
    for (int i = 0; i < kMaxEvents && !input_.empty(); ++i) {
      if (!SendOne() || !ObeyAll()) break;
      Use();
    }
    if (!added_) AddAttacked();
    Use();
  }

 private:
  void AddAttacked() {
    added_ = true;
    registry_.AddWriter(kAttackedLane, kAttackedLane, stream_.shared_writer(kAttackedLane));
    registry_.AddReader(kAttackedReader, kAttackedReader, stream_.shared_reader(kAttackedReader));
  }

  bool SendOne() {
    const uint8_t shape = input_.Take<uint8_t>();
    v1::HandoffEvent event;
    std::string bytes;
    if (shape % 4 == 0) {
      bytes = input_.TakeBytes(kMaxDatagramBytes);
    } else {
      Fill(event, shape / 4);
      bytes = event.SerializeAsString();
      // Fields that come later win.
      if (shape % 4 == 1) bytes += input_.TakeBytes(1024);
    }
    const UniqueFd fd = TakeDescriptor();
    return SendDatagram(coordinator_.get(), bytes, fd.get()).ok();
  }

  uint64_t TakeNumber() {
    constexpr uint64_t kNear[] = {0,           1, 2, 7, 8, kHeaderPageBytes, 3 * kHeaderPageBytes,
                                  ~uint64_t{0}};
    const uint8_t kind = input_.Take<uint8_t>();
    if (kind % 16 < 8) return kNear[kind % 8];
    return kind % 16 < 12 ? kind * kHeaderPageBytes : input_.Take<uint64_t>();
  }

  void FillPage(v1::Extent& extent) {
    extent.set_file_id(TakeNumber());
    extent.set_offset(TakeNumber());
    extent.set_length(input_.Below<uint8_t>(4) == 0 ? TakeNumber() : kHeaderPageBytes);
  }

  void Fill(v1::HandoffEvent& event, uint8_t kind) {
    switch (kind % 8) {
      case 0:
        event.mutable_snapshot_done();
        return;
      case 1: {
        v1::DescriptorGranted& granted = *event.mutable_descriptor_granted();
        granted.set_file_id(TakeNumber());
        granted.set_protection(static_cast<v1::Protection>(input_.Below<uint8_t>(4)));
        return;
      }
      case 2: {
        v1::ReaderJoined& joined = *event.mutable_reader_joined();
        joined.set_lane_id(kAttackedLane);
        joined.set_reader_id(TakeNumber());
        FillPage(*joined.mutable_cursor());
        joined.set_roster_version(TakeNumber());
        joined.set_policy(static_cast<v1::ReaderPolicy>(input_.Below<uint8_t>(5)));
        return;
      }
      case 3: {
        v1::ReaderLeft& left = *event.mutable_reader_left();
        left.set_lane_id(kAttackedLane);
        left.set_reader_id(TakeNumber());
        left.set_roster_version(TakeNumber());
        left.set_cause(static_cast<v1::EndCause>(input_.Below<uint8_t>(5)));
        return;
      }
      case 4:
      case 5: {
        v1::LaneOpened& opened = *event.mutable_lane_opened();
        opened.set_reader_id(kAttackedReader);
        opened.set_lane_id(TakeNumber());
        opened.set_stream_id(TakeNumber());
        opened.set_epoch(TakeNumber());
        opened.set_file_id(TakeNumber());
        FillPage(*opened.mutable_lane_page());
        FillPage(*opened.mutable_cursor());
        opened.set_roster_version(TakeNumber());
        return;
      }
      case 6: {
        v1::LaneEnded& ended = *event.mutable_lane_ended();
        ended.set_reader_id(kAttackedReader);
        ended.set_lane_id(TakeNumber());
        ended.set_cause(static_cast<v1::EndCause>(input_.Below<uint8_t>(5)));
        return;
      }
      default:
        event.mutable_file_brought()->set_request_id(TakeNumber());
        event.mutable_file_brought()->set_file_id(TakeNumber());
    }
  }

  // None, or one that may be what it should, or not.
  UniqueFd TakeDescriptor() {
    const uint8_t kind = input_.Take<uint8_t>();
    switch (kind % 8) {
      case 0:
        return UniqueFd();
      case 1:
        return UniqueFd(dup(STDERR_FILENO));
      case 2:
        return UniqueFd(dup(coordinator_.get()));
      case 3:
        return UniqueFd(dup(stream_.lane_file(kHonestLane).fd()));
      case 4:
        return UniqueFd(dup(stream_.lane_file(kAttackedLane).fd()));
      default: {
        UniqueFd file(memfd_create("hostile", MFD_CLOEXEC));
        if (ftruncate(file.get(), kind / 8 * kHeaderPageBytes) != 0) Fail("ftruncate");
        return file;
      }
    }
  }

  // False: the connection is of no use any more.
  bool ObeyAll() {
    while (true) {
      absl::StatusOr<std::optional<HandoffMessage>> message = connection_->Receive();
      if (absl::IsDataLoss(message.status())) {
        if (message.status().message().empty()) Fail("refused without a reason");
        return false;
      }
      if (!message.ok()) Fail(message.status().ToString());
      if (!message->has_value()) return true;
      registry_.Obey(**std::move(message));
    }
  }

  // The lane that the coordinator does not speak of, and what the others make of what it said.
  void Use() {
    WriterLane& writer = stream_.writer(kHonestLane);
    const absl::StatusOr<Claim> claim = writer.ClaimUntil(8, absl::Seconds(60));
    if (!claim.ok()) Fail(claim.status().ToString());
    std::fill_n(claim->data, 8, static_cast<std::byte>(++frames_));
    if (!writer.lane()->Commit(8)) Fail("cannot commit");
    const absl::StatusOr<Delivery> next = stream_.reader(kHonestReader).Next(absl::Seconds(60));
    if (!next.ok() || next->frame.payload.size() != 8 ||
        next->frame.payload[7] != static_cast<std::byte>(frames_)) {
      Fail("the honest lane has lost a frame: " + next.status().ToString());
    }
    if (LaneWriter* const lane = stream_.writer(kAttackedLane).lane(); lane != nullptr) {
      if (const Claim room = lane->TryClaim(100)) lane->Commit(100);
    }
    for (int i = 0; i < 4; ++i) {
      static_cast<void>(stream_.reader(kAttackedReader).Next(absl::ZeroDuration()).status());
    }
    static_cast<void>(stream_.reader(kAttackedReader).Lags());
  }

  FuzzInput& input_;
  LocalStream stream_;
  LaneRegistry registry_;
  UniqueFd coordinator_;
  std::optional<HandoffConnection> connection_;
  bool added_ = false;
  uint8_t frames_ = 0;
};

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::AttackedAgent(input).Run();
  return 0;
}
