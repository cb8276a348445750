// The coordinator's end of control.sock, for tests of what agents do about answers.

#ifndef CAUSEWAY_AGENTS_TESTING_FAKE_CALLS_H_
#define CAUSEWAY_AGENTS_TESTING_FAKE_CALLS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"

namespace causeway {

// Answers GrantSegment() and Detach() in `dir` with this code, message and binary details, and no
// other call, until it goes away. Ends the test program if it cannot.
class FakeCalls {
 public:
  FakeCalls(const std::string& dir, absl::StatusCode code, const std::string& message,
            const std::string& details);
  ~FakeCalls();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_TESTING_FAKE_CALLS_H_
