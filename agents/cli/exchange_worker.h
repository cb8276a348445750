// The processes that `exchange` starts: hidden subcommands, which report to their parent on
// kReportFd.

#ifndef CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_H_
#define CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_H_

namespace causeway {

// Sends standard input, once all consumers follow, and reports when they have read it.
int ExchangeProducerMain(int argc, char** argv);

// Reads until the producer has ended, and reports.
int ExchangeConsumerMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_EXCHANGE_WORKER_H_
