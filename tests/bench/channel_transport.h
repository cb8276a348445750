// The jobs, for any party's channels: compiled once for each, so that its calls are in line.

#ifndef CAUSEWAY_TESTS_BENCH_CHANNEL_TRANSPORT_H_
#define CAUSEWAY_TESTS_BENCH_CHANNEL_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "mmapcore/deadline.h"
#include "tests/bench/channel.h"
#include "tests/bench/job.h"
#include "tests/bench/job_feed.h"
#include "tests/bench/latencies.h"
#ifdef CAUSEWAY_BENCH_LOAD_HISTOGRAM
#include "tests/bench/load_histogram.h"
#endif
#include "tests/bench/payload.h"
#include "tests/bench/ticks.h"
#include "tests/bench/transport.h"

namespace causeway::bench {

#ifndef CAUSEWAY_BENCH_LOAD_HISTOGRAM
// Where there is none: nobody gives timed jobs then.
class LoadHistogram {
 public:
  void Record(int64_t) {}
  void Forget() {}
  Percentiles Summarize() const { return {}; }
};
#endif

// Does one process's jobs. Each function returns false after an error of an end.
template <typename Writer, typename Reader>
class Worker {
 public:
  // Either may be null; jobs that need it must not be given then.
  Worker(Writer* writer, Reader* reader) : writer_(writer), reader_(reader) {}

  bool Do(const Job& job, JobFeed& feed, JobResult& result) {
    if (job.forget_latencies) load_.Forget();
    latencies_.Forget();
    if (job.kind == JobKind::kPing || job.kind == JobKind::kTimedSink) {
      latencies_.Reserve(job.frames);
    }
    feed.Begin(job, result);
    const bool done = Loop(job, result);
    if (reader_ != nullptr) reader_->Pause();
    feed.End(result);
    if (!done) return false;
    result.frames = job.frames;
    if (job.kind == JobKind::kPing) result.latency = latencies_.Summarize(NanosPerTick());
    if (job.kind == JobKind::kTimedSink) {
      for (const int64_t nanos : latencies_.samples()) load_.Record(nanos);
      result.latency = load_.Summarize();
    }
    if (writer_ != nullptr) result.live_bytes = writer_->live_bytes();
    return true;
  }

  std::string error() const {
    if (!error_.empty()) return error_;
    const std::string reading = reader_ != nullptr ? reader_->error() : "";
    const std::string writing = writer_ != nullptr ? writer_->error() : "";
    return absl::StrCat(reading, reading.empty() || writing.empty() ? "" : "; ", writing,
                        reading.empty() && writing.empty() ? "failed without a reason" : "");
  }

 private:
  bool Loop(const Job& job, JobResult& result) {
    switch (job.kind) {
      case JobKind::kSource:
        return Source(job);
      case JobKind::kSink:
        return Sink(job, result.checksum);
      case JobKind::kRelay:
        return Relay(job);
      case JobKind::kPing:
        return Ping(job, result.checksum);
      case JobKind::kEcho:
        return Echo(job, result.checksum);
      case JobKind::kTimedSource:
        return TimedSource(job);
      case JobKind::kTimedSink:
        return TimedSink(job, result.checksum);
      case JobKind::kExit:
        break;
    }
    return false;
  }

  bool Write(const Job& job, uint64_t index) {
    std::byte* const room = writer_->Claim(job.frame_bytes);
    if (room == nullptr) [[unlikely]]
      return false;
    FillPayload(room, job.frame_bytes, index);
    return writer_->Commit(job.frame_bytes);
  }

  bool Read(const Job& job, uint64_t place, uint64_t& checksum) {
    const std::span<const std::byte> frame = reader_->Next();
    if (frame.size() != job.frame_bytes) [[unlikely]]
      return WrongSize(job, frame);
    checksum += FrameWeight(place, job.ordered) * SumPayload(frame.data(), frame.size());
    reader_->Release();
    return true;
  }

  bool WrongSize(const Job& job, std::span<const std::byte> frame) {
    if (!frame.empty()) {
      error_ =
          absl::StrCat("a frame of ", frame.size(), " bytes came for one of ", job.frame_bytes);
    }
    return false;
  }

  bool Source(const Job& job) {
    for (uint64_t i = 0; i < job.frames; ++i) {
      if (!Write(job, i)) return false;
    }
    return writer_->Flush();
  }

  bool Sink(const Job& job, uint64_t& checksum) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < job.frames; ++i) {
      if (!Read(job, i, total)) return false;
    }
    checksum = total;
    return true;
  }

  bool Relay(const Job& job) {
    for (uint64_t i = 0; i < job.frames; ++i) {
      const std::span<const std::byte> frame = reader_->Next();
      if (frame.size() != job.frame_bytes) return WrongSize(job, frame);
      std::byte* const room = writer_->Claim(job.frame_bytes);
      if (room == nullptr) return false;
      std::memcpy(room, frame.data(), frame.size());
      reader_->Release();
      if (!writer_->Commit(job.frame_bytes)) return false;
    }
    return writer_->Flush();
  }

  bool Ping(const Job& job, uint64_t& checksum) {
    uint64_t total = 0;
    uint64_t before = Ticks();
    for (uint64_t i = 0; i < job.frames; ++i) {
      if (!Write(job, i) || !writer_->Flush() || !Read(job, i, total)) return false;
      const uint64_t after = Ticks();
      latencies_.Record(static_cast<int64_t>(after - before));
      before = after;
    }
    checksum = total;
    return true;
  }

  bool Echo(const Job& job, uint64_t& checksum) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < job.frames; ++i) {
      if (!Read(job, i, total) || !Write(job, i) || !writer_->Flush()) return false;
    }
    checksum = total;
    return true;
  }

  // A frame is due at its time whether or not the one before it was late: what it then waits is
  // part of its latency, as it is for whoever wanted to send it (coordinated omission).
  bool TimedSource(const Job& job) {
    const int64_t begin = Deadline::NowNanos();
    for (uint64_t i = 0; i < job.frames; ++i) {
      int64_t due = begin + static_cast<int64_t>(static_cast<double>(i) * job.interval_nanos);
      int64_t now = Deadline::NowNanos();
      if (job.interval_nanos == 0) due = now;
      while (now < due) now = Deadline::NowNanos();
      std::byte* const room = writer_->Claim(job.frame_bytes);
      if (room == nullptr) return false;
      FillPayload(room, job.frame_bytes, i);
      std::memcpy(room, &due, sizeof(due));
      if (!writer_->Commit(job.frame_bytes)) return false;
      if (job.interval_nanos != 0 && !writer_->Flush()) return false;
    }
    return writer_->Flush();
  }

  bool TimedSink(const Job& job, uint64_t& checksum) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < job.frames; ++i) {
      const std::span<const std::byte> frame = reader_->Next();
      if (frame.size() != job.frame_bytes) return WrongSize(job, frame);
      int64_t due;
      std::memcpy(&due, frame.data(), sizeof(due));
      // As if the first word were what it is in every other job.
      const uint64_t sum =
          SumPayload(frame.data(), frame.size()) - static_cast<uint64_t>(due) + FirstWord(i);
      total += FrameWeight(i, job.ordered) * sum;
      reader_->Release();
      latencies_.Record(Deadline::NowNanos() - due);
    }
    checksum = total;
    return true;
  }

  Writer* const writer_;
  Reader* const reader_;
  Latencies latencies_;  // of the job
  LoadHistogram load_;   // of timed jobs since they were forgotten
  std::string error_;
};

// A Transport of channels of one party.
template <Channel C>
class ChannelTransport : public Transport {
 public:
  absl::Status Prepare(std::span<const ChannelSpec> specs) override {
    for (const ChannelSpec& spec : specs) {
      auto channel = C::Create(spec);
      if (!channel.ok()) return channel.status();
      channels_.push_back(*std::move(channel));
    }
    return absl::OkStatus();
  }

  void Serve(const Role& role, JobFeed& feed) override {
    std::unique_ptr<typename C::Reader> reader;
    std::unique_ptr<typename C::Writer> writer;
    if (role.in.has_value()) {
      auto opened = channels_[*role.in]->OpenReader(role.reader_index);
      if (!opened.ok()) return feed.Fail(opened.status().ToString());
      reader = *std::move(opened);
    }
    if (role.out.has_value()) {
      auto opened = channels_[*role.out]->OpenWriter(role.writer_index);
      if (!opened.ok()) return feed.Fail(opened.status().ToString());
      writer = *std::move(opened);
    }
    if constexpr (requires { reader->Connect(); }) {
      if (reader != nullptr && !reader->Connect()) return feed.Fail("no writer came");
    }
    Worker<typename C::Writer, typename C::Reader> worker(writer.get(), reader.get());
    feed.Ready();
    Job job;
    while (feed.Next(job)) {
      JobResult result;
      if (!worker.Do(job, feed, result)) return feed.Fail(worker.error());
      feed.Answer(result);
    }
  }

 private:
  std::vector<std::unique_ptr<C>> channels_;
};

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_CHANNEL_TRANSPORT_H_
