// `causeway subscribe`: a stream to standard output.

#ifndef CAUSEWAY_AGENTS_CLI_SUBSCRIBE_H_
#define CAUSEWAY_AGENTS_CLI_SUBSCRIBE_H_

namespace causeway {

int SubscribeMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_SUBSCRIBE_H_
