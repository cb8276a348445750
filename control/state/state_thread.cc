#include "control/state/state_thread.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "control/state/journal.h"

namespace causeway {

StateThread::StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink)
    : StateThread(std::move(catalog), store, sink, Options{}) {}

StateThread::StateThread(std::unique_ptr<Catalog> catalog, Store* store, EffectSink* sink,
                         Options options)
    : catalog_(std::move(catalog)),
      store_(*store),
      sink_(*sink),
      options_(options),
      thread_([this] { Loop(); }) {}

StateThread::~StateThread() { Shutdown(); }

void StateThread::Post(absl::AnyInvocable<absl::Status(Catalog&)> operation,
                       absl::AnyInvocable<void(const absl::Status&)> done) {
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
      queue_.push_back(Task{std::move(operation), std::move(done), absl::OkStatus()});
      return;
    }
  }
  done(refused);
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
    std::vector<Task> batch = NextBatch();
    if (batch.empty()) return;
    RunBatch(&batch);
  }
}

std::vector<StateThread::Task> StateThread::NextBatch() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &StateThread::Wanted));
  const size_t size = std::min(queue_.size(), options_.max_batch);
  std::vector<Task> batch;
  batch.reserve(size);
  for (size_t i = 0; i < size; ++i) {
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void StateThread::RunBatch(std::vector<Task>* batch) {
  Journal& journal = catalog_->journal();
  if (broken_.ok()) {
    for (Task& task : *batch) {
      const Journal::Mark mark = journal.Here();
      task.status = task.operation(*catalog_);
      if (!task.status.ok()) journal.UndoTo(mark);
    }
  }
  const std::vector<Write> writes = journal.Writes();
  absl::Status stored = broken_;
  if (stored.ok() && !writes.empty()) stored = store_.Commit(writes);
  if (!stored.ok()) journal.UndoAll();
  // What is on the disk is unknown now: nothing may be built on it.
  if (absl::IsDataLoss(stored)) broken_ = stored;

  const std::vector<Effect> effects = journal.Clear();
  for (const Effect& effect : effects) sink_.Deliver(effect);
  {
    absl::MutexLock lock(&mutex_);
    ++counters_.batches;
    counters_.operations += batch->size();
    counters_.largest_batch = std::max<uint64_t>(counters_.largest_batch, batch->size());
    counters_.effects += effects.size();
    if (!stored.ok()) {
      ++counters_.failed_commits;
    } else if (!writes.empty()) {
      ++counters_.commits;
      counters_.written_records += writes.size();
    }
  }
  for (Task& task : *batch) task.done(stored.ok() ? task.status : stored);
}

}  // namespace causeway
