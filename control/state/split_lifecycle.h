// What happens to splits when sessions end.

#ifndef CAUSEWAY_CONTROL_STATE_SPLIT_LIFECYCLE_H_
#define CAUSEWAY_CONTROL_STATE_SPLIT_LIFECYCLE_H_

#include <cstdint>

#include "control/state/books.h"

namespace causeway {

// Puts back what the session holds of splits. Only for a session that is gone: it detached, or its
// death is proven.
void ReleaseSplitExtents(Books* books, uint64_t session_id);

// Closes an open split. Its rows and its files go once no worker holds an extent of it.
void CloseSplit(Books* books, uint64_t split_id);

// Closes the splits that the session owns, and forgets the files that it brought and no split uses.
void CloseSplitsOf(Books* books, uint64_t session_id);

// Removes a closed split of which no worker holds an extent, with its files.
void EraseSplitIfIdle(Books* books, uint64_t split_id);

// Takes the extent pair of a taken extent out of the books.
void EraseExtentPair(Books* books, const records::SplitExtent& taken);

void AddSplitChanged(Books* books, const records::Split& split);

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_SPLIT_LIFECYCLE_H_
