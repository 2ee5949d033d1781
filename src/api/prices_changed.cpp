// The trigger on keypool.model_prices that has every session forget the prices it remembers
// (store/prices.hpp).
#include "core/error.hpp"
#include "pg/entry.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "commands/trigger.h"
#include "utils/inval.h"
}

namespace keypool::api {

namespace {

Datum prices_changed(const pg::Args& args) {
  if (!CALLED_AS_TRIGGER(args.call_info())) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "keypool.prices_changed can only be called as a trigger");
  }
  const auto* trigger = reinterpret_cast<TriggerData*>(args.call_info()->context);
  Relation relation = trigger->tg_relation;
  pg::call([relation] { CacheInvalidateRelcache(relation); });
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(prices_changed, prices_changed);

}  // namespace keypool::api
