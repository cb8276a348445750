// Where the coordinator keeps what must survive it: named tables of key/value records.
//
// The coordinator holds its whole state in memory. It reads the records once, when it starts, and
// from then on only commits batches of changes. So a store needs neither queries nor iterators,
// and any ordered key/value database can be one. Every implementation passes the same suite
// (store_conformance.h).
//
// What a crash leaves behind. A batch is atomic: after a crash of the process or of the machine,
// the records are those of some prefix of the committed batches, in their order, and that prefix
// contains every batch whose Commit() returned OK. A batch whose Commit() was cut short by the
// crash is there wholly or not at all.
//
// Failed commits come in two kinds, told apart by their code. After ResourceExhausted,
// InvalidArgument or FailedPrecondition nothing has changed, now or after a restart. After DataLoss
// it is unknown whether the batch is on the disk, because the disk itself gave wrong answers: the
// store refuses every later batch, and whoever uses it must stop and open it anew.

#ifndef CAUSEWAY_CONTROL_STORE_STORE_H_
#define CAUSEWAY_CONTROL_STORE_STORE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace causeway {

// One stored record. (table, key) identifies it. A table needs no making. The bytes of key and
// value are free: NUL bytes and what is not UTF-8 are kept as they are.
struct Record {
  std::string table;
  std::string key;  // record_key.h makes keys that sort as the numbers they are made of
  std::string value;

  friend bool operator==(const Record&, const Record&) = default;
};

// One change of one record.
struct Write {
  std::string table;
  std::string key;
  std::optional<std::string> value;  // nullopt deletes the record

  static Write Put(std::string table, std::string key, std::string value);
  static Write Delete(std::string table, std::string key);

  friend bool operator==(const Write&, const Write&) = default;
};

// Limits of one write. A batch has no limit of its own.
inline constexpr size_t kMaxTableNameBytes = 64;            // at least 1; of a-z, 0-9 and _
inline constexpr size_t kMaxKeyBytes = 1024;                // at least 1
inline constexpr size_t kMaxValueBytes = 64 * 1024 * 1024;  // may be empty

// Returns InvalidArgument, with the index of the write and the limit, for the first of `writes`
// that breaks a limit. Every implementation calls it before anything else.
absl::Status CheckLimits(absl::Span<const Write> writes);

// Thread-safe: calls exclude each other. One process at a time has a store open.
class Store {
 public:
  virtual ~Store() = default;

  // Returns every record, ordered by table and then by key, both compared as unsigned bytes. Blocks
  // for disk reads. Sees every batch committed before the call.
  //
  // DataLoss: the store is damaged. FailedPrecondition: the store is closed. ResourceExhausted: out
  // of memory.
  virtual absl::StatusOr<std::vector<Record>> Load() = 0;

  // Applies `writes` in their order, all or none; two writes of one key are allowed, and the later
  // wins. Deleting what is not there is no error. Returns OK once the batch would survive a power
  // loss; blocks until then (one sync of the disk per call, whatever the size of the batch, so
  // callers gather what they have). An empty batch is OK and touches no disk.
  //
  // InvalidArgument: a write breaks a limit above. ResourceExhausted: the file system or memory is
  // full; the message says how many bytes the batch needs and how many are free; the store stays
  // usable. FailedPrecondition: the store is closed. In these three cases nothing has changed.
  // DataLoss: an I/O error or damage; see the top of this file.
  virtual absl::Status Commit(absl::Span<const Write> writes) = 0;

  // Releases the store, so that it can be opened again. What was committed needs no Close() to be
  // durable. Later calls, a second Close() excepted, return FailedPrecondition. The destructor
  // closes, too.
  //
  // DataLoss: an I/O error; the store is closed nevertheless.
  virtual absl::Status Close() = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STORE_STORE_H_
