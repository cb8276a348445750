#include "control/simulation/descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace causeway::simulation {

Descriptors::Descriptors() : nothing_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

UniqueFd Descriptors::Make(const Thing& thing) {
  UniqueFd made(fcntl(nothing_.get(), F_DUPFD_CLOEXEC, 0));
  things_[made.get()] = thing;
  return made;
}

Thing Descriptors::Take(UniqueFd descriptor) {
  const auto found = things_.find(descriptor.get());
  if (found == things_.end()) return {};
  const Thing thing = found->second;
  things_.erase(found);
  return thing;
}

size_t Descriptors::CountOpen() const {
  // A number that was closed may be another file's by now.
  struct stat nothing = {};
  fstat(nothing_.get(), &nothing);
  return static_cast<size_t>(std::count_if(things_.begin(), things_.end(), [&](const auto& entry) {
    struct stat found = {};
    return fstat(entry.first, &found) == 0 && found.st_ino == nothing.st_ino &&
           found.st_dev == nothing.st_dev;
  }));
}

}  // namespace causeway::simulation
