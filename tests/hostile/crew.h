// The processes of one round.

#ifndef CAUSEWAY_TESTS_HOSTILE_CREW_H_
#define CAUSEWAY_TESTS_HOSTILE_CREW_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace causeway::hostile {

// They die with the process that started them, and are gone when this object is.
class Crew {
 public:
  Crew() = default;
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Runs `body` in a child, which ends with the status that it returns. Call it where only one
  // thread runs.
  void Start(std::string name, const std::function<int()>& body);

  // Waits until all but the one named `endless` have ended, which it does not by itself.
  // Internal: one has not ended with 0, or not at all within minutes; it is aborted, so that a
  // sanitizer or a core tells where it is. Or the endless one has ended.
  absl::Status Join(const std::string& endless);

 private:
  struct Member {
    std::string name;
    pid_t pid;
    int pidfd;
  };
  absl::Status JoinOne(Member& member);

  std::vector<Member> members_;
};

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_CREW_H_
