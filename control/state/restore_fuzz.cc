// Any records in the store: the coordinator has a state that keeps every promise, or refuses by
// name, with the code that the contract says.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control/state/catalog.h"
#include "control/state/catalog_fixture.h"
#include "control/state/invariants.h"
#include "control/store/store.h"
#include "tools/fuzz/fuzz_input.h"

namespace causeway {
namespace {

constexpr int kMaxChanges = 16;
constexpr size_t kMaxNewRecords = 32;

// One record gets other bytes, another key or table, is there twice, or is gone.
void Change(FuzzInput& input, std::vector<Record>* records) {
  if (records->empty()) return;
  const size_t index = input.Below<uint8_t>(static_cast<uint8_t>(records->size()));
  Record& record = (*records)[index];
  switch (input.Below<uint8_t>(8)) {
    case 0:
      record.value = input.TakeBytes();
      return;
    case 1:
      // Fields that come later win: this changes some and keeps the others.
      record.value += input.TakeBytes();
      return;
    case 2:
      if (!record.value.empty()) {
        record.value[input.Take<uint16_t>() % record.value.size()] ^=
            static_cast<char>(input.Take<uint8_t>());
      }
      return;
    case 3:
      record.key = input.TakeBytes(kMaxKeyBytes);
      return;
    case 4:
      record.table = (*records)[input.Take<uint8_t>() % records->size()].table;
      return;
    case 5:
      record.value = (*records)[input.Take<uint8_t>() % records->size()].value;
      return;
    case 6:
      records->push_back(record);
      return;
    default:
      records->erase(records->begin() + static_cast<std::ptrdiff_t>(index));
  }
}

std::vector<Record> NewRecords(FuzzInput& input, const std::vector<Record>& known) {
  std::vector<Record> records;
  while (!input.empty() && records.size() < kMaxNewRecords) {
    const uint8_t table = input.Take<uint8_t>();
    records.push_back({.table = table == 0xFF ? input.TakeBytes(kMaxTableNameBytes)
                                              : known[table % known.size()].table,
                       .key = input.TakeBytes(kMaxKeyBytes),
                       .value = input.TakeBytes()});
  }
  return records;
}

void TryOne(FuzzInput& input) {
  static const std::vector<Record>* const busy = new std::vector<Record>(BusyRecords());
  std::vector<Record> records;
  if (input.Below<uint8_t>(4) == 0) {
    records = NewRecords(input, *busy);
  } else {
    records = *busy;
    for (int i = 0; i < kMaxChanges && !input.empty(); ++i) Change(input, &records);
  }
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = Catalog::FromRecords(records, SmallLimits());
  absl::Status held;
  if (catalog.ok()) {
    // What was believed must hold, also when the coordinator begins its work with it.
    held = CheckInvariants((*catalog)->books());
    if (held.ok()) (*catalog)->BeginEpoch();
    if (held.ok()) held = CheckInvariants((*catalog)->books());
    if (held.ok()) return;
  } else if ((absl::IsDataLoss(catalog.status()) || absl::IsFailedPrecondition(catalog.status())) &&
             !catalog.status().message().empty()) {
    return;
  }
  std::cerr << "restored: " << catalog.status() << "; held: " << held << "\n";
  std::abort();
}

}  // namespace
}  // namespace causeway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  causeway::FuzzInput input(data, size);
  causeway::TryOne(input);
  return 0;
}
