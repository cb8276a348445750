// Options and suppressions that the sanitizers' run times look up in the program itself.

// Names and signatures are theirs.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wmissing-prototypes"
#endif

// From tools/packages-clang.txt.
#define SYMBOLIZER ":external_symbolizer_path=/usr/lib/llvm-19/bin/llvm-symbolizer"

extern "C" {

const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:strict_string_checks=1"
         ":check_initialization_order=1" SYMBOLIZER;
}

const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1" SYMBOLIZER; }

const char* __tsan_default_options() {
  return "second_deadlock_stack=1:halt_on_error=1" SYMBOLIZER;
}

// The system's libraries are not instrumented: what they order among themselves is invisible here.
const char* __tsan_default_suppressions() {
  return "called_from_lib:libspdlog.so\n"
         "called_from_lib:libsqlite3.so\n";
}

// gRPC and protobuf keep singletons until the process ends.
const char* __lsan_default_suppressions() {
  return "leak:libgrpc.so\n"
         "leak:libgrpc++.so\n"
         "leak:libprotobuf.so\n";
}

}  // extern "C"
