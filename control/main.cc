#include "control/coordinator_main.h"

int main(int argc, char** argv) { return causeway::CoordinatorMain(argc, argv); }
