// How processes and channels hang together.

#ifndef CAUSEWAY_TESTS_BENCH_SHAPE_H_
#define CAUSEWAY_TESTS_BENCH_SHAPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/job.h"

namespace causeway::bench {

struct Shape {
  struct Link {
    int writers = 1;
    int readers = 1;
  };
  // One process.
  struct Post {
    JobKind kind;
    Role role;
    uint64_t times = 1;   // it handles so many times the frames of a source
    bool ordered = true;  // they come to it in order
  };

  std::string name;
  std::vector<Link> links;
  std::vector<Post> posts;
};

inline Shape OneToOne() {
  return {.name = "1 to 1",
          .links = {{}},
          .posts = {{JobKind::kSource, {.out = 0}}, {JobKind::kSink, {.in = 0}}}};
}

inline Shape RoundTrip() {
  return {.name = "round trip",
          .links = {{}, {}},
          .posts = {{JobKind::kPing, {.in = 1, .out = 0}}, {JobKind::kEcho, {.in = 0, .out = 1}}}};
}

// For what needs no other process.
inline Shape Alone() {
  return {.name = "alone", .links = {{}}, .posts = {{JobKind::kSource, {.out = 0}}}};
}

// Every reader sees every frame.
inline Shape Multicast(int readers) {
  Shape shape = {.name = "1 to " + std::to_string(readers),
                 .links = {{.readers = readers}},
                 .posts = {{JobKind::kSource, {.out = 0}}}};
  for (int i = 0; i < readers; ++i) {
    shape.posts.push_back({JobKind::kSink, {.in = 0, .reader_index = i}});
  }
  return shape;
}

inline Shape FanIn(int writers) {
  Shape shape = {.name = std::to_string(writers) + " to 1", .links = {{.writers = writers}}};
  for (int i = 0; i < writers; ++i) {
    shape.posts.push_back({JobKind::kSource, {.out = 0, .writer_index = i}});
  }
  shape.posts.push_back({JobKind::kSink, {.in = 0}, static_cast<uint64_t>(writers), writers == 1});
  return shape;
}

// Three processes in a row.
inline Shape Pipeline() {
  return {.name = "pipeline of 3",
          .links = {{}, {}},
          .posts = {{JobKind::kSource, {.out = 0}},
                    {JobKind::kRelay, {.in = 0, .out = 1}},
                    {JobKind::kSink, {.in = 1}}}};
}

// One to two, and these to one, who reads what both send on.
inline Shape Diamond() {
  return {.name = "diamond",
          .links = {{.readers = 2}, {.writers = 2}},
          .posts = {{JobKind::kSource, {.out = 0}},
                    {JobKind::kRelay, {.in = 0, .reader_index = 0, .out = 1, .writer_index = 0}},
                    {JobKind::kRelay, {.in = 0, .reader_index = 1, .out = 1, .writer_index = 1}},
                    {JobKind::kSink, {.in = 1}, 2, false}}};
}

}  // namespace causeway::bench

#endif  // CAUSEWAY_TESTS_BENCH_SHAPE_H_
