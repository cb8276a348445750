// What stands behind a TakenExtent.

#ifndef CAUSEWAY_AGENTS_SPLIT_GRANT_H_
#define CAUSEWAY_AGENTS_SPLIT_GRANT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/api/v1/agents.pb.h"
#include "mmapcore/mapped_file.h"
#include "mmapcore/mapping.h"

namespace causeway {

class Session;

// Belongs to one thread.
class SplitGrant {
 public:
  // `response` is a granted one; the files are those that it names.
  SplitGrant(std::shared_ptr<Session> session, const v1::TakeExtentResponse& response,
             std::shared_ptr<MappedFile> source, std::shared_ptr<MappedFile> target);
  ~SplitGrant();
  SplitGrant(const SplitGrant&) = delete;
  SplitGrant& operator=(const SplitGrant&) = delete;

  // As the functions of TakenExtent.
  absl::StatusOr<std::span<const std::byte>> MapSource();
  absl::StatusOr<std::span<std::byte>> MapTarget();
  absl::Status Complete(std::string failure);
  int source_fd() const { return source_file_->fd(); }
  int target_fd() const { return target_file_->fd(); }
  uint64_t index() const { return response_.extent_index(); }
  uint64_t offset() const { return response_.source().offset(); }
  uint64_t length() const { return response_.source().length(); }

 private:
  absl::Status CheckOpen() const;

  const std::shared_ptr<Session> session_;
  const v1::TakeExtentResponse response_;
  const std::shared_ptr<MappedFile> source_file_;
  const std::shared_ptr<MappedFile> target_file_;
  Mapping source_;
  Mapping target_;
  bool completed_ = false;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_SPLIT_GRANT_H_
