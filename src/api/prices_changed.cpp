// The trigger on keypool.model_prices that has every session forget the prices it remembers
// (store/prices.hpp).
#include "pg/entry.hpp"
#include "pg/trigger.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/inval.h"
}

namespace keypool::api {

namespace {

Datum prices_changed(const pg::Args& args) {
  Relation relation = pg::trigger_data(args, "prices_changed").tg_relation;
  pg::call([relation] { CacheInvalidateRelcache(relation); });
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(prices_changed, prices_changed);

}  // namespace keypool::api
