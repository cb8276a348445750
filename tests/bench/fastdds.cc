#include "tests/bench/fastdds.h"

#include <fastdds/rtps/common/SerializedPayload.h>
#include <fastdds/rtps/transport/shared_mem/SharedMemTransportDescriptor.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/log/Log.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>
#include <fastdds/dds/topic/TypeSupport.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/channel_transport.h"

namespace causeway::bench {
namespace {

namespace dds = eprosima::fastdds::dds;
namespace rtps = eprosima::fastrtps::rtps;
using eprosima::fastdds::rtps::SharedMemTransportDescriptor;
using eprosima::fastrtps::types::ReturnCode_t;

constexpr uint32_t kDomain = 97;
// Of discovery; 30 s are for a busy machine.
constexpr useconds_t kPauseMicros = 1000;
constexpr int kPauses = 30'000;
// CDR's header, which goes before each sample.
constexpr uint32_t kEncapsulationBytes = 4;

// Frames of one size. A plain type: what stands in memory is what is sent.
class FrameType : public dds::TopicDataType {
 public:
  explicit FrameType(size_t bytes) : bytes_(bytes) {
    setName("frame");
    m_typeSize = static_cast<uint32_t>(bytes) + kEncapsulationBytes;
    m_isGetKeyDefined = false;
  }

  bool serialize(void* data, rtps::SerializedPayload_t* payload) override {
    const uint8_t header[kEncapsulationBytes] = {0, 1, 0, 0};  // CDR, little-endian
    std::memcpy(payload->data, header, sizeof(header));
    std::memcpy(payload->data + kEncapsulationBytes, data, bytes_);
    payload->encapsulation = CDR_LE;
    payload->length = m_typeSize;
    return true;
  }
  bool deserialize(rtps::SerializedPayload_t* payload, void* data) override {
    if (payload->length != m_typeSize) return false;
    std::memcpy(data, payload->data + kEncapsulationBytes, bytes_);
    return true;
  }
  std::function<uint32_t()> getSerializedSizeProvider(void*) override {
    return [size = m_typeSize] { return size; };
  }
  void* createData() override { return new std::byte[bytes_]; }
  void deleteData(void* data) override { delete[] static_cast<std::byte*>(data); }
  bool getKey(void*, rtps::InstanceHandle_t*, bool) override { return false; }
  bool is_bounded() const override { return true; }
  bool is_plain() const override { return true; }
  bool construct_sample(void*) const override { return true; }

 private:
  const size_t bytes_;
};

// Where a loaned sample begins.
struct Sample {
  std::byte first;
};
FASTDDS_SEQUENCE(Samples, Sample);

constexpr uint32_t kLeastSamples = 4;
constexpr uint32_t kMostSamples = 1024;

template <typename Qos>
void SetReliable(const ChannelSpec& spec, Qos& qos) {
  const auto samples = static_cast<int32_t>(spec.WindowFrames(kLeastSamples, kMostSamples));
  qos.reliability().kind = dds::RELIABLE_RELIABILITY_QOS;
  qos.durability().kind = dds::VOLATILE_DURABILITY_QOS;
  qos.history().kind = dds::KEEP_ALL_HISTORY_QOS;
  qos.resource_limits().max_instances = 1;
  qos.resource_limits().max_samples = samples * spec.writers;
  qos.resource_limits().max_samples_per_instance = samples * spec.writers;
  qos.resource_limits().allocated_samples = samples;
  // A writer that shares its samples uses them again before a slow reader has taken them: what is
  // acknowledged is their arrival.
  qos.data_sharing().off();
}

// For all samples that may be on their way, in messages that need no fragments.
std::shared_ptr<SharedMemTransportDescriptor> SharedMemoryFor(const ChannelSpec& spec) {
  const uint64_t message_bytes = spec.frame_bytes + 4096;
  auto transport = std::make_shared<SharedMemTransportDescriptor>();
  transport->max_message_size(static_cast<uint32_t>(message_bytes));
  transport->segment_size(
      static_cast<uint32_t>(message_bytes * spec.WindowFrames(kLeastSamples, kMostSamples)));
  transport->port_queue_capacity(kMostSamples);
  return transport;
}

// One participant, with shared memory alone, and what belongs to it.
class Member {
 public:
  explicit Member(const ChannelSpec& spec) : type_(new FrameType(spec.frame_bytes)) {
    dds::Log::SetVerbosity(dds::Log::Error);
    dds::DomainParticipantQos qos;
    qos.transport().use_builtin_transports = false;
    qos.transport().user_transports.push_back(SharedMemoryFor(spec));
    participant_ = dds::DomainParticipantFactory::get_instance()->create_participant(kDomain, qos);
    if (participant_ == nullptr) return;
    type_.register_type(participant_);
    topic_ = participant_->create_topic(spec.name, type_.get_type_name(), dds::TOPIC_QOS_DEFAULT);
  }
  ~Member() {
    if (participant_ == nullptr) return;
    participant_->delete_contained_entities();
    dds::DomainParticipantFactory::get_instance()->delete_participant(participant_);
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  bool ok() const { return topic_ != nullptr; }
  dds::DomainParticipant* participant() const { return participant_; }
  dds::Topic* topic() const { return topic_; }

 private:
  dds::TypeSupport type_;
  dds::DomainParticipant* participant_ = nullptr;
  dds::Topic* topic_ = nullptr;
};

class FastDdsChannel {
 public:
  class Writer {
   public:
    explicit Writer(const ChannelSpec& spec) : member_(spec), readers_(spec.readers) {
      if (!member_.ok()) return;
      dds::DataWriterQos qos;
      SetReliable(spec, qos);
      qos.publish_mode().kind = dds::SYNCHRONOUS_PUBLISH_MODE;
      qos.reliability().max_blocking_time = eprosima::fastrtps::c_TimeInfinite;
      auto* const publisher = member_.participant()->create_publisher(dds::PUBLISHER_QOS_DEFAULT);
      writer_ = publisher->create_datawriter(member_.topic(), qos);
    }

    // Frames are whole words, and the payload follows CDR's header of four bytes.
    std::byte* Claim(size_t) {
      while (true) {
        const ReturnCode_t code = writer_->loan_sample(
            sample_, dds::DataWriter::LoanInitializationKind::NO_LOAN_INITIALIZATION);
        if (code == ReturnCode_t::RETCODE_OK) return static_cast<std::byte*>(sample_);
        if (code != ReturnCode_t::RETCODE_OUT_OF_RESOURCES) return Fail("lends no sample", code);
      }
    }
    bool Commit(size_t) {
      while (true) {
        const ReturnCode_t code = writer_->write(sample_, dds::HANDLE_NIL);
        if (code == ReturnCode_t::RETCODE_OK) return true;
        // The history is full.
        if (code != ReturnCode_t::RETCODE_TIMEOUT &&
            code != ReturnCode_t::RETCODE_OUT_OF_RESOURCES) {
          return Fail("does not take the sample", code) != nullptr;
        }
      }
    }
    bool Flush() { return true; }
    std::string error() const { return error_; }
    uint64_t live_bytes() const { return 0; }

    bool ok() const { return writer_ != nullptr; }
    bool Connect() const {
      dds::PublicationMatchedStatus status;
      for (int i = 0; i < kPauses; ++i) {
        writer_->get_publication_matched_status(status);
        if (status.current_count == readers_) return true;
        usleep(kPauseMicros);
      }
      return false;
    }

   private:
    std::byte* Fail(const char* what, ReturnCode_t code) {
      error_ = absl::StrCat("Fast DDS ", what, ", code ", code());
      return nullptr;
    }

    std::string error_;
    const Member member_;
    const int32_t readers_;
    dds::DataWriter* writer_ = nullptr;
    void* sample_ = nullptr;
  };

  class Reader {
   public:
    explicit Reader(const ChannelSpec& spec)
        : member_(spec),
          writers_(spec.writers),
          bytes_(spec.frame_bytes),
          spins_(spec.waiting == Waiting::kSpin) {
      if (!member_.ok()) return;
      dds::DataReaderQos qos;
      SetReliable(spec, qos);
      auto* const subscriber =
          member_.participant()->create_subscriber(dds::SUBSCRIBER_QOS_DEFAULT);
      reader_ = subscriber->create_datareader(member_.topic(), qos);
    }

    bool ok() const { return reader_ != nullptr; }
    bool Connect() const {
      dds::SubscriptionMatchedStatus status;
      for (int i = 0; i < kPauses; ++i) {
        reader_->get_subscription_matched_status(status);
        if (status.current_count == writers_) return true;
        usleep(kPauseMicros);
      }
      return false;
    }

    std::span<const std::byte> Next() {
      while (true) {
        const ReturnCode_t code = reader_->take(samples_, infos_, 1);
        if (code == ReturnCode_t::RETCODE_OK) {
          if (infos_[0].valid_data) return {&samples_[0].first, bytes_};
          Release();
        } else if (code != ReturnCode_t::RETCODE_NO_DATA) {
          error_ = absl::StrCat("Fast DDS gives no sample, code ", code());
          return {};
        } else if (!spins_) {
          reader_->wait_for_unread_message(eprosima::fastrtps::c_TimeInfinite);
        }
      }
    }
    void Release() { reader_->return_loan(samples_, infos_); }
    void Pause() {}
    std::string error() const { return error_; }

   private:
    std::string error_;
    const Member member_;
    const int32_t writers_;
    const size_t bytes_;
    const bool spins_;
    dds::DataReader* reader_ = nullptr;
    Samples samples_;
    dds::SampleInfoSeq infos_;
  };

  static absl::StatusOr<std::unique_ptr<FastDdsChannel>> Create(const ChannelSpec& spec) {
    return std::unique_ptr<FastDdsChannel>(new FastDdsChannel(spec));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    auto writer = std::make_unique<Writer>(spec_);
    if (!writer->ok()) return absl::InternalError("Fast DDS makes no writer");
    if (!writer->Connect()) return absl::DeadlineExceededError("no reader came");
    return writer;
  }

  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    auto reader = std::make_unique<Reader>(spec_);
    if (!reader->ok()) return absl::InternalError("Fast DDS makes no reader");
    return reader;
  }

 private:
  explicit FastDdsChannel(const ChannelSpec& spec) : spec_(spec) {}

  const ChannelSpec spec_;
};

}  // namespace

std::unique_ptr<Transport> MakeFastDds() {
  return std::make_unique<ChannelTransport<FastDdsChannel>>();
}

}  // namespace causeway::bench
