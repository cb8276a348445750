// `causeway exchange`: one process sends real bytes to others through shared memory, and all of
// them prove what they saw.

#ifndef CAUSEWAY_AGENTS_CLI_EXCHANGE_H_
#define CAUSEWAY_AGENTS_CLI_EXCHANGE_H_

namespace causeway {

int ExchangeMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_EXCHANGE_H_
