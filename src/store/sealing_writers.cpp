#include "store/sealing_writers.hpp"

#include <algorithm>
#include <cstddef>

#include "pg/guard.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "miscadmin.h"
}

namespace keypool::store {

void SealingWriters::list() {
  struct Holders {
    VirtualTransactionId* first;
    int count;
  };
  const Oid table = catalog().data_keys;
  const Holders holders = pg::call([table] {
    LOCKTAG tag;
    SET_LOCKTAG_RELATION(tag, MyDatabaseId, table);
    int count = 0;
    // Of all that write, and of nobody who only reads.
    VirtualTransactionId* first = GetLockConflicts(&tag, ExclusiveLock, &count);
    return Holders{first, count};
  });
  writers_.assign(holders.first, holders.first + holders.count);
}

bool SealingWriters::any_left() {
  std::vector<VirtualTransactionId>& writers = writers_;
  std::size_t left = 0;
  pg::call([&writers, &left] {
    for (VirtualTransactionId& writer : writers) {
      if (!VirtualXactLock(writer, false)) writers[left++] = writer;
    }
  });
  writers.resize(left);
  return left != 0;
}

}  // namespace keypool::store
