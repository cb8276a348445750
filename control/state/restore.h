// From stored records back to tables.

#ifndef CAUSEWAY_CONTROL_STATE_RESTORE_H_
#define CAUSEWAY_CONTROL_STATE_RESTORE_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "control/state/books.h"
#include "control/store/store.h"

namespace causeway {

// Fills empty `books` from records, which may be anything: they are checked one by one, and then
// against each other. Nothing is journalled. After an error the books are good for nothing.
//
// FAILED_PRECONDITION: the records are of a newer format; they are left as they are. DATA_LOSS: a
// record cannot be read or contradicts another; the message names it.
absl::Status RestoreBooks(absl::Span<const Record> records, Books* books);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_RESTORE_H_
