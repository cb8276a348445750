// Batches by whose remains a test sees which was the last to be committed, and whether wholly.

#ifndef CAUSEWAY_CONTROL_STORE_NUMBERED_BATCH_H_
#define CAUSEWAY_CONTROL_STORE_NUMBERED_BATCH_H_

#include <cstdint>
#include <vector>

#include "control/store/store.h"

namespace causeway::testing {

// Gives the same ten records one value each, which begins with `number` and is about 20 kB long: in
// SQLite about 50 pages, so that every twentieth batch brings a checkpoint.
std::vector<Write> NumberedBatch(uint64_t number);

// The number of the batch that `store` holds; 0 if it is empty. Fails the test if the records are
// not those of exactly one batch.
uint64_t NumberOfBatchIn(Store& store);

}  // namespace causeway::testing

#endif  // CAUSEWAY_CONTROL_STORE_NUMBERED_BATCH_H_
