// Which Causeway this is.

#ifndef CAUSEWAY_CONTROL_API_VERSION_VERSION_H_
#define CAUSEWAY_CONTROL_API_VERSION_VERSION_H_

namespace causeway {

// What every program prints for --version, and DescribeCoordinator answers: major.minor.patch.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_API_VERSION_VERSION_H_
