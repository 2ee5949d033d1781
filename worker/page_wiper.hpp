// Wipes what the pages of a relation hold and refer to no more: a row that was vacuumed away is
// gone from the page's list, but its bytes lie in the page's free space until another row takes the
// place.
//
// A page is made anew of nothing but what it refers to, and logged as a whole, so that standbys and
// crash recovery follow. Heaps and B-trees, whose pages are laid out alike; an index of another
// kind is left alone. Few pages at a time: readers and writers wait for one page at most.
#pragma once

#include <cstdint>

#include "pg/postgres.hpp"

namespace keypool::worker {

struct WipedPages {
  std::uint32_t next = 0;   // the page to go on with
  std::uint32_t wiped = 0;  // those that held something
  bool last = true;         // there are no more
  bool left = false;        // VACUUM could not take away all that had died
};

// From page `from` on, at most `most` pages of a table, an index or a TOAST table. `needed_below`:
// what was ended by transactions below this had to be gone. In a transaction; throws PgError. A
// relation that is no more has no pages.
WipedPages wipe_pages(Oid relation, std::uint32_t from, std::uint32_t most,
                      TransactionId needed_below);

// The table that holds the large values of this one; InvalidOid when there is none.
Oid toast_table_of(Oid table);

}  // namespace keypool::worker
