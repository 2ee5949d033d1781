// Transactions that may still commit what they sealed under an older data key: those that hold the
// lock of keyring_for_writing() (keyring.hpp) at the moment of the listing.
//
// Listed once after the newer data key is committed: who comes later seals under that one. Nobody
// is made to wait. Both functions need a transaction; throw PgError.
#pragma once

#include <vector>

#include "pg/postgres.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace keypool::store {

class SealingWriters {
 public:
  void list();
  // Forgets those that have ended. True: some have not.
  bool any_left();

 private:
  std::vector<VirtualTransactionId> writers_;
};

}  // namespace keypool::store
