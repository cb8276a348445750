// `causeway create`, `delete` and `evict`: what an operator may change.

#ifndef CAUSEWAY_AGENTS_CLI_MANAGE_H_
#define CAUSEWAY_AGENTS_CLI_MANAGE_H_

namespace causeway {

int CreateMain(int argc, char** argv);
int DeleteMain(int argc, char** argv);
int EvictMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_MANAGE_H_
