// One process attacks another through the words of a file that both have mapped.

#ifndef CAUSEWAY_TESTS_HOSTILE_ATTACKS_H_
#define CAUSEWAY_TESTS_HOSTILE_ATTACKS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "tests/hostile/attack_counts.h"
#include "tests/hostile/hostile_words.h"

namespace causeway::hostile {

struct AttackOptions {
  uint64_t seed = 1;
  // Of the stream beside the attack, whose end ends the round. None is moved before the attacker
  // has scribbled as often, so that a busy machine changes how long a round takes, and not what it
  // tries.
  uint64_t honest_frames = 2000;
};

// Each forks its processes, waits until those that are not hostile have ended well, and ends the
// hostile one. `counts` lies in memory that they share.
//
// Internal: a process has crashed, has read a wrong frame of the honest stream, or hangs; which.

// A writer attacks a reader of its lane, which reads another writer's lane beside it.
absl::Status AttackReader(const Target& target, const AttackOptions& options, AttackCounts& counts);

// A reader attacks the writer of its lane, which another reader reads, too.
absl::Status AttackWriter(const Target& target, const AttackOptions& options, AttackCounts& counts);

}  // namespace causeway::hostile

#endif  // CAUSEWAY_TESTS_HOSTILE_ATTACKS_H_
