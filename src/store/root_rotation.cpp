#include "store/root_rotation.hpp"

#include <utility>

#include "core/keyring.hpp"
#include "pg/guard.hpp"
#include "store/keyring.hpp"
#include "store/reencryption_board.hpp"
#include "store/root_key.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace keypool::store {

namespace {

// Until the transaction ends. An advisory lock of no database at all, which SQL cannot take.
void lock_out_others() {
  pg::call([] {
    constexpr std::uint32_t kName = 0x6b70726b;  // any, if it is always the same
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, InvalidOid, kName, 0, 3);
    LockAcquire(&tag, ExclusiveLock, false, false);
  });
}

}  // namespace

RootRotation rotate_root_key() {
  lock_out_others();
  Rewrapped done = rewrap_data_keys(read_root_keys());
  RootRotation rotation = {};
  // With nothing to rewrap, the newest key is in use already: the next one is wanted.
  if (done.rewrapped == 0) {
    rotation.file = make_root_key(read_root_keys());
    done = rewrap_data_keys(read_root_keys());
  }
  const RootKeys roots = read_root_keys();
  rotation.root_key = core::short_root_id(core::root_id_of(roots.front()));
  rotation.keys = done.keys;
  rotation.rewrapped = done.rewrapped;
  note_root_keys_changed();
  return rotation;
}

}  // namespace keypool::store
