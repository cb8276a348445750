// `causeway ls`: what a coordinator knows.

#ifndef CAUSEWAY_AGENTS_CLI_LS_H_
#define CAUSEWAY_AGENTS_CLI_LS_H_

namespace causeway {

int LsMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_LS_H_
