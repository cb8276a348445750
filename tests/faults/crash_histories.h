// Brings together what writers and readers say in their logs, and has it judged.

#ifndef CAUSEWAY_TESTS_FAULTS_CRASH_HISTORIES_H_
#define CAUSEWAY_TESTS_FAULTS_CRASH_HISTORIES_H_

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mmapcore/reader_policy.h"
#include "tests/faults/crash_log.h"
#include "tests/faults/history_checker.h"

namespace causeway::faults {

// Of all lanes of one stream. Not thread-safe.
class CrashHistories {
 public:
  // `patience`: readers that are there have read what was committed by then.
  // `on_record`: is told of each record, and when the lane that it is about was opened (0: not
  // known).
  using OnRecord =
      std::function<void(const CrashLog& log, const CrashRecord& record, int64_t lane_opened)>;
  CrashHistories(absl::Duration patience, OnRecord on_record);

  // The logs stay the caller's, until Died(). Names are for violations.
  void AddWriter(CrashLog* log);
  // `reference`: this reader is always there, and its positions are taken for right.
  void AddReader(const std::string& name, ReaderPolicy policy, CrashLog* log, bool reference);
  // The process of this log is dead; takes what it still has said.
  void Died(CrashLog* log);

  // Takes what was said since, and judges lanes that are over and read by all who must.
  void Take();

  // Whether no lane that is over still has to be read.
  bool Settled() const;

  uint64_t lanes() const { return lane_count_; }
  uint64_t frames() const { return frames_; }
  uint64_t gaps() const { return gaps_; }
  // So far; one line each.
  std::vector<std::string> TakeViolations();

 private:
  struct Lane {
    CommittedLane lane;
    int64_t opened_nanos = 0;
    absl::Time ended_at;
  };
  struct Session {
    std::unique_ptr<HistoryChecker> checker;
    bool reference = false;
    bool open = true;
    int64_t opened_nanos = 0;
    uint64_t last_lane = 0;  // once closed: the youngest lane that it may have seen
    size_t violations_taken = 0;
  };
  struct ReaderLog {
    std::string name;
    ReaderPolicy policy = ReaderPolicy::kBlock;
    bool reference = false;
    Session* session = nullptr;  // open
  };
  struct WriterLog {
    std::optional<uint64_t> lane;  // open
  };

  void TakeFrom(CrashLog& log, WriterLog& writer);
  void TakeFrom(CrashLog& log, ReaderLog& reader, uint64_t end);
  void Obey(const CrashRecord& record, ReaderLog& reader);
  void OpenLane(const CrashRecord& record);
  void EndLane(uint64_t lane_id, uint64_t begun, uint64_t committed);
  void OpenSession(const CrashRecord& record, ReaderLog& reader);
  void CloseSession(ReaderLog& reader);
  void JudgeEnded();
  bool ReadByAll(const Lane& lane) const;
  void Judge(const Lane& lane);
  int64_t LaneOpened(const CrashRecord& record) const;

  const absl::Duration patience_;
  const OnRecord on_record_;
  std::map<CrashLog*, WriterLog> writers_;
  std::map<CrashLog*, ReaderLog> readers_;
  std::map<uint64_t, Lane> lanes_;  // not judged
  std::list<Session> sessions_;
  uint64_t lane_count_ = 0;
  uint64_t frames_ = 0;
  uint64_t gaps_ = 0;
  uint64_t sessions_opened_ = 0;
};

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_CRASH_HISTORIES_H_
