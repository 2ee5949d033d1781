// The trigger on keypool.api_keys and keypool.providers that marks the transaction, so that its
// commit makes every session look again (store/coherence.hpp), and the worker remove ciphertext
// that has died (store/destruction.hpp).
#include "pg/entry.hpp"
#include "pg/trigger.hpp"
#include "store/catalog.hpp"
#include "store/coherence.hpp"
#include "store/columns.hpp"
#include "store/destruction.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/datum.h"
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

bool holds_ciphertext(HeapTuple tuple) {
  return !heap_attisnull(tuple, store::api_key_column::kEnvelope, nullptr);
}

// Inside pg::call. Whether both versions of a row hold the same envelope, or both none.
bool same_envelope(const TriggerData& trigger) {
  TupleDesc description = RelationGetDescr(trigger.tg_relation);
  pg::NullableValue values[2] = {};
  HeapTuple tuples[2] = {trigger.tg_trigtuple, trigger.tg_newtuple};
  for (int i = 0; i < 2; ++i) {
    values[i].datum =
        heap_getattr(tuples[i], store::api_key_column::kEnvelope, description, &values[i].is_null);
  }
  if (values[0].is_null || values[1].is_null) return values[0].is_null == values[1].is_null;
  return datum_image_eq(values[0].datum, values[1].datum, false, -1);
}

// What died or was written here is to be removed from the data files (store/destruction.hpp).
void note_ciphertext(const TriggerData& trigger) {
  const bool updates = TRIGGER_FIRED_BY_UPDATE(trigger.tg_event);
  if (updates && pg::call([&trigger] { return same_envelope(trigger); })) return;
  const bool inserts = TRIGGER_FIRED_BY_INSERT(trigger.tg_event);
  HeapTuple written = updates ? trigger.tg_newtuple : inserts ? trigger.tg_trigtuple : nullptr;
  if (written != nullptr && holds_ciphertext(written)) store::mark_ciphertext_written();
  if (!inserts && holds_ciphertext(trigger.tg_trigtuple)) store::mark_ciphertext_died();
}

Datum keys_changed(const pg::Args& args) {
  const TriggerData& trigger = pg::trigger_data(args, "keys_changed");
  Relation relation = trigger.tg_relation;
  if (!TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    store::mark_all_changed();
  } else if (RelationGetRelid(relation) != store::catalog().api_keys) {
    store::mark_mirrored_changed();
  } else {
    note_ciphertext(trigger);
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
