// Which system calls of agents and coordinators are refused, and with what; and a process's ear for
// being told to refuse them.

#ifndef CAUSEWAY_TESTS_FAULTS_REFUSABLE_CALLS_H_
#define CAUSEWAY_TESTS_FAULTS_REFUSABLE_CALLS_H_

#include <span>
#include <string>
#include <vector>

namespace causeway::faults {

struct RefusableCall {
  long number;
  std::string name;
  std::vector<int> errors;  // that the kernel may give
};

// Left out: what gRPC ends its process or forgets a connection over (clone, eventfd2, epoll_ctl),
// what only waits (futex, epoll_wait), and the allocator's anonymous mappings, without which
// nothing goes on.
std::span<const RefusableCall> CallsOfAgents();
std::span<const RefusableCall> CallsOfCoordinators();

// From now on this process's calls of these kinds are watched (mmapcore/testing/nth_system_call.h).
// Ends the process if the kernel does not allow it.
void Watch(std::span<const RefusableCall> calls);

// Obeys
//
//   refuse <name> <nth> <errno> once|ever    counts from 1 again
//   allow                                    refuses nothing any more
//   count                                    calls since, of each kind, in order
//   left                                     descriptors, threads of ours, mappings of descriptors
//
// and answers in one line; empty: that is no such command.
std::string ObeyRefusals(std::span<const RefusableCall> calls, const std::string& line);

}  // namespace causeway::faults

#endif  // CAUSEWAY_TESTS_FAULTS_REFUSABLE_CALLS_H_
