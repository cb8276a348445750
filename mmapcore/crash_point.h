// Named places at which tests kill the process. By default they are nothing at all, not even an
// instruction; `--//mmapcore:crash_points` compiles them in (tests/faults does, for itself).

#ifndef CAUSEWAY_MMAPCORE_CRASH_POINT_H_
#define CAUSEWAY_MMAPCORE_CRASH_POINT_H_

// CAUSEWAY_CRASH_POINT("lane.commit.header_stored");
//
// Names are "who.what.where", each used in one place: the last word says what has just happened.
// Where points are compiled in, passing one counts it in the CrashPage that the environment names,
// takes its time if it is told to, and ends the process with SIGKILL if this is the passing that it
// was armed for; without a page it costs a load. Every point that is linked into a program is in a
// section of it, so a list of them cannot miss one.
#ifdef CAUSEWAY_CRASH_POINTS

#include <atomic>
#include <cstdint>

namespace causeway {

// What the macro makes of a point.
class CrashPoint {
 public:
  explicit constexpr CrashPoint(const char* name) : name_(name) {}

  void Pass();

 private:
  const char* const name_;
  std::atomic<uint32_t> slot_{0};  // + 1; 0: not known yet
};

}  // namespace causeway

#define CAUSEWAY_CRASH_TEXT_(line) #line
#define CAUSEWAY_CRASH_LINE_(line) CAUSEWAY_CRASH_TEXT_(line)
// Two strings in the section for each place that is compiled, also if it is compiled several times.
#define CAUSEWAY_CRASH_ENTRY_(name, place)                                                       \
  asm volatile(".pushsection causeway_crash_points, \"a\"\n.asciz \"" name "\"\n.asciz \"" place \
               "\"\n.popsection")
#define CAUSEWAY_CRASH_POINT(name)                                            \
  do {                                                                        \
    CAUSEWAY_CRASH_ENTRY_(name, __FILE__ ":" CAUSEWAY_CRASH_LINE_(__LINE__)); \
    static constinit ::causeway::CrashPoint causeway_crash_point(name);       \
    causeway_crash_point.Pass();                                              \
  } while (false)

#else

#define CAUSEWAY_CRASH_POINT(name) \
  do {                             \
  } while (false)

#endif  // CAUSEWAY_CRASH_POINTS

#endif  // CAUSEWAY_MMAPCORE_CRASH_POINT_H_
