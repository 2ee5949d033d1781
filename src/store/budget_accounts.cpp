// Loading accounts: the sum of what was spent before, and exactly that.
//
// Beginning a load and taking its snapshot is one step under the exclusive lock, and so is the
// note in the settlement of each session that this snapshot sees although it has not settled
// yet. A session settles under the shared lock: either before that step, then the snapshot sees
// what it wrote and the account has forgotten what it added; or after, then its note says whether
// it still has to add.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "pg/lwlock.hpp"
#include "pg/owner.hpp"
#include "pg/settings.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/budget_charges.hpp"
#include "store/budget_mirror.hpp"
#include "store/catalog.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"
#include "store/unfolded.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/transam.h"
#include "utils/snapmgr.h"
}

namespace keypool::store {

namespace {

// Somebody who began to load an account lately is left to end it.
constexpr core::Micros kLoadPatience = 100 * core::kMillisecond;

struct Load {
  std::uint64_t number;
  core::AccountList accounts;
};

// What one account counts.
struct Wanted {
  core::AccountRef ref;
  core::BudgetConfig budget;
  std::string subject;
};

core::Error accounts_full() {
  return {core::ErrorCode::kConfigurationLimit, "too many budgets are in use at once",
          "keypool.max_budget_accounts sums are in shared memory, and none is idle.",
          "Raise keypool.max_budget_accounts and restart the server."};
}

// On a standby nobody settles.
void note_who_is_seen(const SnapshotData& snapshot, std::uint64_t load) noexcept {
  if (snapshot.takenDuringRecovery) return;
  for (Settlement& settlement : settlements()) {
    const TransactionId xid = settlement.xid.load();
    if (!TransactionIdIsValid(xid) || settlement.seen_from.load() != 0) continue;
    if (has_seen(snapshot, xid)) settlement.seen_from.store(load);
  }
}

// The latest snapshot becomes the active one; the caller pops it.
Load begin_load(core::Database& database, std::span<const BudgetOwner> owners) {
  // Allocates what the next call under the lock will use.
  pg::call([] { GetLatestSnapshot(); });
  Load load = {};
  bool full = false;
  Snapshot snapshot = nullptr;
  {
    const pg::ExclusiveGuard guard(budget_lock());
    const core::AccountMoment at = account_moment(database, now());
    load.number = next_load();
    for (const BudgetOwner& owner : owners) {
      full |= !budget_table().begin_load(database, owner.scope, owner.subject, at, load.number,
                                         load.accounts);
    }
    snapshot = GetLatestSnapshot();
    note_who_is_seen(*snapshot, load.number);
  }
  if (full) throw accounts_full();
  pg::call([snapshot] {
    PushActiveSnapshot(snapshot);
    GetActiveSnapshot()->curcid = FirstCommandId;  // nothing of this transaction's own
  });
  return load;
}

std::vector<Wanted> wanted_by(const Load& load) {
  std::vector<Wanted> wanted;
  wanted.reserve(load.accounts.count);
  const pg::SharedGuard guard(budget_lock());
  for (const core::AccountRef& ref : load.accounts.view()) {
    const core::Account* account = budget_table().account(ref);
    if (account == nullptr) continue;
    wanted.push_back({ref, budget_table().budget_of(*account), std::string()});
    wanted.back().subject = account->subject_view();
  }
  return wanted;
}

void add(const Load& load, const Wanted& account, core::Micros at, std::int64_t nano) {
  const pg::SharedGuard guard(budget_lock());
  budget_table().add_loaded(account.ref, load.number, at, nano);
}

// The rows are named one by one: of a budget for each there may be a million in one period.
void add_books(const Load& load, const Wanted& account) {
  const core::BudgetConfig& budget = account.budget;
  const core::Micros step = budget.step;
  const core::Micros since =
      step == 0 ? budget.starts : core::bucket_start(now(), step) - budget.steps * step;
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::Rows rows = session.read(
      "SELECT s.period_start, s.spent_nano"
      " FROM generate_series(0, $5) AS n"
      " JOIN keypool.budget_spending AS s ON s.budget_id = $1 AND s.subject = $2"
      " AND s.period_start = CASE n WHEN 0 THEN $3 ELSE $3 + n * $4 END",
      budget.id, std::string_view(account.subject), pg::Instant{since}, pg::Duration{step},
      step == 0 ? 0 : budget.steps + 1);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    add(load, account, rows.get<pg::Instant>(row, 0).value, rows.get<std::int64_t>(row, 1));
  }
}

void add_tail(const Load& load, const std::vector<Wanted>& wanted) {
  visit_unfolded(kNoXid, [&](const RequestVersion& version, int sign) {
    const core::Spender spender = spender_of(version.dimensions);
    const std::int64_t charge = sign * charge_of(version.sums);
    for (const Wanted& account : wanted) {
      const core::BudgetSubject subject(account.budget.scope, spender);
      if (!subject || subject.text() != account.subject) continue;
      add(load, account, version.dimensions.bucket, charge);
    }
  });
}

void fill(const Load& load) {
  const std::vector<Wanted> wanted = wanted_by(load);
  for (const Wanted& account : wanted) add_books(load, account);
  add_tail(load, wanted);
  const pg::SharedGuard guard(budget_lock());
  for (const Wanted& account : wanted) budget_table().end_load(account.ref, load.number);
}

// Whether other sessions are loading all that these lack, and may soon be done.
bool somebody_loads(core::Database& database, std::span<const BudgetOwner> owners) {
  using Presence = core::BudgetTable::Presence;
  const core::AccountMoment at = account_moment(database, now());
  bool loading = false;
  const pg::SharedGuard guard(budget_lock());
  for (const BudgetOwner& owner : owners) {
    const Presence presence =
        budget_table().presence(database, owner.scope, owner.subject, at, at.now - kLoadPatience);
    if (presence == Presence::kLacking) return false;
    loading |= presence == Presence::kLoading;
  }
  return loading;
}

}  // namespace

void load_accounts(core::Database& database, std::span<const BudgetOwner> owners) {
  while (somebody_loads(database, owners)) {
    pg::call([] {
      CHECK_FOR_INTERRUPTS();
      pg_usleep(500);
    });
  }
  const Load load = begin_load(database, owners);
  if (load.accounts.count == 0) {
    pg::call([] { PopActiveSnapshot(); });
    return;
  }
  fill(load);
  pg::call([] { PopActiveSnapshot(); });
}

}  // namespace keypool::store
