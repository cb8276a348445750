// The coordinator of another release, as far as anyone can tell.

#include "control/coordinator_main.h"

int main(int argc, char** argv) { return causeway::CoordinatorMain(argc, argv, "99.0.0"); }
