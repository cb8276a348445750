// Numbers of real descriptors that stand for simulated things.

#ifndef CAUSEWAY_CONTROL_SIMULATION_DESCRIPTORS_H_
#define CAUSEWAY_CONTROL_SIMULATION_DESCRIPTORS_H_

#include <cstddef>
#include <cstdint>
#include <map>

#include "control/api/v1/types.pb.h"
#include "mmapcore/unique_fd.h"

namespace causeway::simulation {

// What a descriptor is of: a file, with its rights, or a process.
struct Thing {
  uint64_t inode = 0;
  v1::Protection protection = v1::PROTECTION_UNSPECIFIED;
  int64_t pid = 0;
};

// The product's code owns descriptors and closes them, so what it is handed are real ones, of
// nothing in particular; what each stands for is kept here.
class Descriptors {
 public:
  Descriptors();

  UniqueFd Make(const Thing& thing);
  // Closes it. A descriptor that was not made here: a Thing of nothing.
  Thing Take(UniqueFd descriptor);

  // How many of those made are still open.
  size_t CountOpen() const;

 private:
  const UniqueFd nothing_;
  std::map<int, Thing> things_;
};

}  // namespace causeway::simulation

#endif  // CAUSEWAY_CONTROL_SIMULATION_DESCRIPTORS_H_
