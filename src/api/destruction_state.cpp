// keypool.destruction_state(), what keypool.destruction_status shows; and the trigger that notes
// when ciphertext dies of tables other than the keys'.
#include <optional>

#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "pg/trigger.hpp"
#include "store/destruction.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

std::optional<pg::Instant> instant(core::Micros time) {
  if (time == 0) return std::nullopt;
  return pg::Instant{time};
}

std::optional<std::string_view> name(core::Holdup holdup) {
  switch (holdup) {
    case core::Holdup::kNone:
      break;
    case core::Holdup::kSession:
      return "session";
    case core::Holdup::kPreparedTransaction:
      return "prepared transaction";
    case core::Holdup::kReplicationSlot:
      return "replication slot";
    case core::Holdup::kOther:
      return "old snapshot";
  }
  return std::nullopt;
}

// TABLE(pending_since timestamptz, cleaned_at timestamptz, pages_wiped bigint, waiting_for text,
//       waiting_for_pid int)
Datum destruction_state(const pg::Args& args) {
  const core::Destruction& known = store::current_database().destruction;
  const core::Holdup holdup = known.holdup.load();
  std::optional<std::int32_t> holder;
  if (holdup == core::Holdup::kSession) holder = known.holder.load();
  pg::RowSet rows(args);
  rows.add(instant(known.pending_since.load()), instant(known.cleaned_at.load()),
           static_cast<std::int64_t>(known.pages_wiped.load()), name(holdup), holder);
  return rows.finish();
}

// ciphertext_died() → trigger: after a row whose ciphertext was replaced or removed
Datum ciphertext_died(const pg::Args& args) {
  pg::trigger_data(args, "ciphertext_died");
  store::mark_ciphertext_died();
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(destruction_state, destruction_state);
KEYPOOL_FUNCTION(ciphertext_died, ciphertext_died);

}  // namespace keypool::api
