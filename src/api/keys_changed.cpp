// The trigger on keypool.api_keys and keypool.providers that marks the transaction, so that its
// commit makes every session look again (store/coherence.hpp).
#include "pg/entry.hpp"
#include "pg/trigger.hpp"
#include "store/coherence.hpp"
#include "store/columns.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "miscadmin.h"
}

namespace keypool::api {

namespace {

void mark_owner_of(HeapTuple tuple, TupleDesc description) {
  const pg::NullableValue user = pg::call([tuple, description] {
    pg::NullableValue value = {};
    value.datum = heap_getattr(tuple, store::api_key_column::kUserId, description, &value.is_null);
    return value;
  });
  if (user.is_null) {
    store::mark_mirrored_changed();
  } else {
    store::mark_user_changed(pg::varlena_view(user.datum));
  }
}

Datum keys_changed(const pg::Args& args) {
  const TriggerData& trigger = pg::trigger_data(args, "keys_changed");
  Relation relation = trigger.tg_relation;
  if (!TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    store::mark_all_changed();
  } else if (RelationGetRelid(relation) != store::catalog().api_keys) {
    store::mark_mirrored_changed();
  } else {
    mark_owner_of(trigger.tg_trigtuple, RelationGetDescr(relation));
    // The guard allows no change of owner; a superuser who disables it must not confuse the pool.
    if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event)) {
      mark_owner_of(trigger.tg_newtuple, RelationGetDescr(relation));
    }
  }
  return Datum{0};
}

// What keys have learned was written by somebody other than the worker, as a restore does: slots in
// which nothing has happened yet are to start from it.
Datum key_state_written(const pg::Args& args) {
  pg::trigger_data(args, "key_state_written");
  if (MyBackendType != B_BG_WORKER) store::mark_all_changed();
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(keys_changed, keys_changed);
KEYPOOL_FUNCTION(key_state_written, key_state_written);

}  // namespace keypool::api
