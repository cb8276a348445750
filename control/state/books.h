// All that the coordinator knows: the tables, side by side. No behaviour of its own; operations
// (session_operations.h and its siblings) read and change it.

#ifndef CAUSEWAY_CONTROL_STATE_BOOKS_H_
#define CAUSEWAY_CONTROL_STATE_BOOKS_H_

#include <cstdint>

#include "control/state/cursor_table.h"
#include "control/state/extent_table.h"
#include "control/state/file_table.h"
#include "control/state/journal.h"
#include "control/state/lane_table.h"
#include "control/state/limits.h"
#include "control/state/reader_table.h"
#include "control/state/records.pb.h"
#include "control/state/session_table.h"
#include "control/state/split_extent_table.h"
#include "control/state/split_table.h"
#include "control/state/stream_table.h"
#include "control/state/table.h"

namespace causeway {

// How far the stored sequences run ahead: so many ids are skipped by a restart.
inline constexpr uint64_t kSequenceBlock = 256;

// The format of records that this code writes, and the newest that it reads.
inline constexpr uint32_t kRecordsFormat = 1;

struct Books {
  explicit Books(const Limits& limits) : limits(limits) {}
  Books(const Books&) = delete;
  Books& operator=(const Books&) = delete;

  // The next id or epoch of ownership, never given before, whatever is undone and whatever
  // coordinator comes next. Meta is above all that were given, by up to kSequenceBlock, and is
  // journalled when it grows: most calls have nothing to store.
  uint64_t NextId();
  uint64_t NextEpoch();
  // The coordinator's own epoch; 0 before its first start.
  uint64_t RaiseCoordinatorEpoch();
  uint64_t CoordinatorEpoch() const;

  const Limits limits;
  Journal journal;
  Table<records::Meta> meta{&journal};
  SessionTable sessions{&journal};
  StreamTable streams{&journal};
  FileTable files{&journal};
  ExtentTable extents{&journal};
  LaneTable lanes{&journal};
  ReaderTable readers{&journal};
  CursorTable cursors{&journal};
  SplitTable splits{&journal};
  SplitExtentTable split_extents{&journal};
  SplitWorkerTable split_workers{&journal};

 private:
  uint64_t Next(uint64_t* next, uint64_t (records::Meta::*stored)() const,
                void (records::Meta::*store)(uint64_t));

  // Not journalled: what was given is not given again. 0: where Meta says.
  uint64_t next_id_ = 0;
  uint64_t next_epoch_ = 0;
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_BOOKS_H_
