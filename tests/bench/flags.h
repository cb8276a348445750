// Flags that the benchmarks of this folder share.

#ifndef CAUSEWAY_TESTS_BENCH_FLAGS_H_
#define CAUSEWAY_TESTS_BENCH_FLAGS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/parties.h"
#include "tests/bench/rounds.h"

namespace causeway::bench {

struct Flags {
  RoundsOptions rounds;
  std::vector<size_t> sizes;       // of frames, bytes
  std::vector<std::string> names;  // of parties; empty: all
  std::vector<std::string> measures;
  bool json = false;
  std::string plot;  // a path; empty: none

  // What `names` name, in the order of the turns.
  std::vector<const Party*> parties;
};

// What one program offers. A list that is left empty takes away its flag.
struct FlagChoices {
  std::string program;
  std::string summary;
  std::vector<std::string> measures;  // all of them are the default
  std::vector<size_t> sizes;          // the default
  bool plot = false;
};

// Reads the command line into `flags`, which holds the defaults of `rounds`. An exit status: the
// user got help, or an error on standard error; nothing: go on.
std::optional<int> ParseFlags(const FlagChoices& choices, int argc, char** argv, Flags& flags);

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_FLAGS_H_
