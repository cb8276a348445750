// A directory for a coordinator to serve.

#ifndef CAUSEWAY_CONTROL_TESTING_SERVED_DIRECTORY_H_
#define CAUSEWAY_CONTROL_TESTING_SERVED_DIRECTORY_H_

#include <string>

namespace causeway::testing {

// Names a directory that does not exist yet, in a new one. Its path is short, for clients put the
// sockets' paths into addresses. When the object goes away, after the coordinators that served it,
// so does everything, the volatile directory that a killed one left behind too.
class ServedDirectory {
 public:
  ServedDirectory();
  ~ServedDirectory();
  ServedDirectory(const ServedDirectory&) = delete;
  ServedDirectory& operator=(const ServedDirectory&) = delete;

  const std::string& path() const { return path_; }
  const std::string& parent() const { return parent_; }

 private:
  std::string parent_;
  std::string path_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_TESTING_SERVED_DIRECTORY_H_
