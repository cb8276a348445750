#include "control/store/memory_store.h"

#include <utility>

namespace causeway {
namespace {

absl::Status ClosedError() { return absl::FailedPreconditionError("the memory store is closed"); }

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryStore>> MemoryStore::Open(std::shared_ptr<MemoryDisk> disk) {
  if (disk->in_use) return absl::UnavailableError("another store is open on this memory disk");
  disk->in_use = true;
  return std::unique_ptr<MemoryStore>(new MemoryStore(std::move(disk)));
}

std::unique_ptr<MemoryStore> MemoryStore::OpenEmpty() {
  return *Open(std::make_shared<MemoryDisk>());
}

MemoryStore::MemoryStore(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

MemoryStore::~MemoryStore() { Close().IgnoreError(); }

absl::StatusOr<std::vector<Record>> MemoryStore::Load() {
  absl::MutexLock lock(&mutex_);
  if (disk_ == nullptr) return ClosedError();
  std::vector<Record> records;
  records.reserve(disk_->records.size());
  for (const auto& [id, value] : disk_->records) {
    records.push_back({.table = id.first, .key = id.second, .value = value});
  }
  return records;
}

absl::Status MemoryStore::Commit(absl::Span<const Write> writes) {
  if (absl::Status status = CheckLimits(writes); !status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (disk_ == nullptr) return ClosedError();
  if (writes.empty()) return absl::OkStatus();
  if (!next_failure_.ok()) {
    const absl::Status failure = next_failure_;
    if (!absl::IsDataLoss(failure)) next_failure_ = absl::OkStatus();
    return failure;
  }
  for (const Write& write : writes) {
    if (write.value.has_value()) {
      disk_->records.insert_or_assign({write.table, write.key}, *write.value);
    } else {
      disk_->records.erase({write.table, write.key});
    }
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::Close() {
  absl::MutexLock lock(&mutex_);
  if (disk_ == nullptr) return absl::OkStatus();
  disk_->in_use = false;
  disk_ = nullptr;
  return absl::OkStatus();
}

void MemoryStore::FailNextCommit(absl::Status failure) {
  absl::MutexLock lock(&mutex_);
  next_failure_ = std::move(failure);
}

}  // namespace causeway
