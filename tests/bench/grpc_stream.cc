#include "tests/bench/grpc_stream.h"

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/channel_transport.h"
#include "tests/bench/frames.grpc.pb.h"

namespace causeway::bench {
namespace {

std::string AddressOf(const ChannelSpec& spec) { return absl::StrCat("unix-abstract:", spec.name); }

// Lends the stream of the one call to the thread that reads.
class FramesService final : public Frames::Service {
 public:
  grpc::Status Send(grpc::ServerContext*, grpc::ServerReader<Frame>* stream, Done*) override {
    absl::MutexLock lock(&mutex_);
    stream_ = stream;
    mutex_.Await(absl::Condition(&over_));
    return grpc::Status::OK;
  }

  grpc::ServerReader<Frame>* AwaitStream() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](grpc::ServerReader<Frame>** stream) { return *stream != nullptr; }, &stream_));
    return stream_;
  }

  void End() {
    absl::MutexLock lock(&mutex_);
    over_ = true;
  }

 private:
  absl::Mutex mutex_;
  grpc::ServerReader<Frame>* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

class GrpcChannel {
 public:
  class Writer {
   public:
    explicit Writer(const ChannelSpec& spec)
        : stub_(Frames::NewStub(grpc::CreateCustomChannel(
              AddressOf(spec), grpc::InsecureChannelCredentials(), grpc::ChannelArguments()))) {
      context_.set_wait_for_ready(true);
      stream_ = stub_->Send(&context_, &done_);
    }
    ~Writer() { context_.TryCancel(); }

    std::byte* Claim(size_t bytes) {
      std::string& payload = *frames_[filling_].mutable_payload();
      payload.resize(bytes);
      return reinterpret_cast<std::byte*>(payload.data());
    }
    // The frame goes when the next one comes, or with Flush(): then it is known whether more
    // follow.
    bool Commit(size_t) {
      const bool sent = !waiting_ || stream_->Write(frames_[1 - filling_],
                                                    grpc::WriteOptions().set_buffer_hint());
      waiting_ = true;
      filling_ = 1 - filling_;
      return sent;
    }
    bool Flush() {
      if (!waiting_) return true;
      waiting_ = false;
      return stream_->Write(frames_[1 - filling_]);
    }
    std::string error() const { return "the stream broke"; }
    uint64_t live_bytes() const { return 0; }

   private:
    const std::unique_ptr<Frames::Stub> stub_;
    grpc::ClientContext context_;
    Done done_;
    std::unique_ptr<grpc::ClientWriter<Frame>> stream_;
    Frame frames_[2];
    int filling_ = 0;
    bool waiting_ = false;  // the other one
  };

  class Reader {
   public:
    explicit Reader(const ChannelSpec& spec) {
      grpc::ServerBuilder builder;
      builder.AddListeningPort(AddressOf(spec), grpc::InsecureServerCredentials());
      builder.SetMaxReceiveMessageSize(-1);
      builder.RegisterService(&service_);
      server_ = builder.BuildAndStart();
    }
    ~Reader() {
      service_.End();
      server_->Shutdown(gpr_now(GPR_CLOCK_REALTIME));
    }

    std::span<const std::byte> Next() {
      if (stream_ == nullptr) stream_ = service_.AwaitStream();
      if (!stream_->Read(&frame_)) return {};
      return std::as_bytes(std::span(frame_.payload()));
    }
    void Release() {}
    void Pause() {}
    std::string error() const { return "the stream ended"; }

   private:
    FramesService service_;
    std::unique_ptr<grpc::Server> server_;
    grpc::ServerReader<Frame>* stream_ = nullptr;
    Frame frame_;
  };

  static absl::StatusOr<std::unique_ptr<GrpcChannel>> Create(const ChannelSpec& spec) {
    if (spec.writers != 1 || spec.readers != 1) {
      return absl::UnimplementedError("one client and one server");
    }
    return std::unique_ptr<GrpcChannel>(new GrpcChannel(spec));
  }

  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(int) {
    return std::make_unique<Writer>(spec_);
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int) {
    return std::make_unique<Reader>(spec_);
  }

 private:
  explicit GrpcChannel(const ChannelSpec& spec) : spec_(spec) {}

  const ChannelSpec spec_;
};

}  // namespace

std::unique_ptr<Transport> MakeGrpcStream() {
  return std::make_unique<ChannelTransport<GrpcChannel>>();
}

}  // namespace causeway::bench
