// The suite that every Store passes. A backend instantiates it with a function that makes a fresh
// place, in which stores can be opened one after the other:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, testing::Values(NewMemoryPlace));

#ifndef CAUSEWAY_CONTROL_STORE_STORE_CONFORMANCE_H_
#define CAUSEWAY_CONTROL_STORE_STORE_CONFORMANCE_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "control/store/store.h"
#include "gtest/gtest.h"

namespace causeway::testing {

// Where one store lives. Goes away after its stores.
class StorePlace {
 public:
  virtual ~StorePlace() = default;

  // Opens the store that is here; at first an empty one.
  virtual absl::StatusOr<std::unique_ptr<Store>> Open() = 0;
};

using NewStorePlace = std::unique_ptr<StorePlace> (*)();

class StoreConformance : public ::testing::TestWithParam<NewStorePlace> {
 protected:
  void SetUp() override;

  // Closes the store, opens it again and checks that its records did not change.
  void Reopen();

  std::vector<Record> Load();

  std::unique_ptr<StorePlace> place_;
  std::unique_ptr<Store> store_;
};

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_STORE_STORE_CONFORMANCE_H_
