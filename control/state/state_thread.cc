#include "control/state/state_thread.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace causeway {

StateThread::StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink)
    : StateThread(std::move(catalog), store, sink, Options{}) {}

StateThread::StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink,
                         Options options)
    : runner_(std::move(catalog), store, sink), options_(options), thread_([this] { Loop(); }) {}

StateThread::~StateThread() { Shutdown(); }

void StateThread::Post(Operation operation, Done done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the coordinator is shutting down; retry when it is back");
    } else if (queue_.size() >= options_.max_queue) {
      refused =
          absl::ResourceExhaustedError(absl::StrCat("max_queue (", options_.max_queue,
                                                    ") is met: so many operations wait for the "
                                                    "coordinator; retry later"));
    } else {
      queue_.push_back(StateTask{std::move(operation), std::move(done), absl::OkStatus()});
      return;
    }
  }
  done(refused);
}

absl::Status StateThread::RunAndWait(absl::FunctionRef<absl::Status(Catalog&)> operation) {
  absl::Status status;
  absl::Mutex mutex;
  bool answered = false;
  Post([operation](Catalog& catalog) { return operation(catalog); },
       [&](const absl::Status& answer) {
         absl::MutexLock lock(&mutex);
         status = answer;
         answered = true;
       });
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(&answered));
  return status;
}

void StateThread::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  absl::MutexLock lock(&join_mutex_);
  if (thread_.joinable()) thread_.join();
}

StateThreadCounters StateThread::counters() const {
  absl::MutexLock lock(&mutex_);
  return counters_;
}

void StateThread::Loop() {
  for (;;) {
    std::vector<StateTask> batch = NextBatch();
    if (batch.empty()) return;
    RunBatch(&batch);
  }
}

std::vector<StateTask> StateThread::NextBatch() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &StateThread::Wanted));
  const size_t size = std::min(queue_.size(), options_.max_batch);
  std::vector<StateTask> batch;
  batch.reserve(size);
  for (size_t i = 0; i < size; ++i) {
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void StateThread::RunBatch(std::vector<StateTask>* batch) {
  const BatchOutcome outcome = runner_.Run(batch);
  {
    absl::MutexLock lock(&mutex_);
    ++counters_.batches;
    counters_.operations += batch->size();
    counters_.largest_batch = std::max<uint64_t>(counters_.largest_batch, batch->size());
    counters_.effects += outcome.effects;
    if (!outcome.stored.ok()) {
      ++counters_.failed_commits;
    } else if (outcome.writes > 0) {
      ++counters_.commits;
      counters_.written_records += outcome.writes;
    }
  }
  for (StateTask& task : *batch) task.done(task.status);
}

}  // namespace causeway
