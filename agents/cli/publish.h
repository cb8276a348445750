// `causeway publish`: standard input to a stream.

#ifndef CAUSEWAY_AGENTS_CLI_PUBLISH_H_
#define CAUSEWAY_AGENTS_CLI_PUBLISH_H_

namespace causeway {

int PublishMain(int argc, char** argv);

}  // namespace causeway

#endif  // CAUSEWAY_AGENTS_CLI_PUBLISH_H_
