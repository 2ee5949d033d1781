#include "worker/destruction.hpp"

#include <algorithm>

#include "pg/guard.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/destruction.hpp"
#include "store/shared_pool.hpp"
#include "worker/attempt.hpp"
#include "worker/page_wiper.hpp"
#include "worker/process.hpp"
#include "worker/vacuum.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/relation.h"
#include "access/transam.h"
#include "storage/procarray.h"
}

namespace keypool::worker {

namespace {

// Wrapped keys count: what an older root key opens, or the same one, is no less secret than keys.
std::vector<Oid> tables() {
  const store::Catalog& catalog = store::catalog();
  std::vector<Oid> found = {catalog.api_keys, catalog.data_keys, catalog.alert_webhooks};
  std::erase(found, InvalidOid);  // somebody is dropping the extension
  return found;
}

// With the index of fingerprints, by which a guess could be tested.
std::vector<Oid> files() {
  std::vector<Oid> found;
  for (const Oid table : tables()) {
    found.push_back(table);
    if (const Oid toast = toast_table_of(table); toast != InvalidOid) found.push_back(toast);
  }
  found.push_back(store::catalog().api_keys_secret);
  return found;
}

// Versions of rows that were ended by transactions below this are needed by nobody.
TransactionId removable_below() {
  const Oid table = store::catalog().api_keys;
  return pg::call([table] {
    Relation relation = relation_open(table, AccessShareLock);
    const TransactionId horizon = GetOldestNonRemovableTransactionId(relation);
    relation_close(relation, AccessShareLock);
    return horizon;
  });
}

}  // namespace

// What died before the server or its last worker ended, nobody knows.
Destruction::Destruction(core::Database& database)
    : database_(database), seen_(database.destruction.deaths.load()) {
  note_news();
}

void Destruction::note_news() noexcept { store::report_deaths(database_); }

core::Micros Destruction::next_due(core::Micros) const noexcept {
  if (stage_ != Stage::kIdle) return due_;
  return database_.destruction.deaths.load() != seen_ ? not_before_ : core::kNever;
}

void Destruction::run(core::Micros now) {
  if (asked_to_stop()) return;
  bool done = true;
  switch (stage_) {
    case Stage::kIdle:
      begin(now);
      [[fallthrough]];
    case Stage::kWaiting:
      done = look(now);
      break;
    case Stage::kVacuum:
      done = vacuum_tables();
      break;
    case Stage::kWiping:
      done = wipe_some(now);
      break;
  }
  if (stage_ != Stage::kIdle) effort_ += store::now() - now;
  if (!done) look_later(now);
}

void Destruction::begin(core::Micros now) noexcept {
  core::Destruction& known = database_.destruction;
  seen_ = known.deaths.load();
  needed_below_ = XidFromFullTransactionId(FullTransactionIdFromU64(known.needed_below.load()));
  core::Micros nothing = 0;
  known.pending_since.compare_exchange_strong(nothing, now);
  stage_ = Stage::kWaiting;
  held_up_since_ = now;
  pause_ = kPause;
  effort_ = 0;
  due_ = now;
}

// Goes on when nobody needs what has died, or has needed it for long.
bool Destruction::look(core::Micros now) {
  if (!attempt([this] { removed_below_ = removable_below(); })) return false;
  const bool all = !TransactionIdPrecedes(removed_below_, needed_below_);
  if (all) {
    removed_below_ = needed_below_;
    database_.destruction.holdup.store(core::Holdup::kNone);
  } else {
    note_holdup();
    if (now - held_up_since_ < kPatience) {
      look_later(now);
      return true;
    }
    held_up_since_ = core::kNever;  // once
  }
  stage_ = Stage::kVacuum;
  due_ = now;
  return true;
}

bool Destruction::vacuum_tables() {
  std::vector<Oid> wanted;
  if (!attempt([&] {
        wanted = tables();
        files_ = files();
      })) {
    return false;
  }
  if (!vacuum(wanted)) return false;
  stage_ = Stage::kWiping;
  file_ = 0;
  page_ = 0;
  left_ = false;
  return true;
}

bool Destruction::wipe_some(core::Micros now) {
  WipedPages pages;
  const bool done =
      attempt([&] { pages = wipe_pages(files_[file_], page_, kPagesAtOnce, removed_below_); });
  if (!done) return false;
  database_.destruction.pages_wiped.fetch_add(pages.wiped);
  left_ |= pages.left;
  page_ = pages.last ? 0 : pages.next;
  if (pages.last && ++file_ == files_.size()) end_pass(now);
  return true;
}

void Destruction::end_pass(core::Micros now) {
  if (left_ || removed_below_ != needed_below_) {
    look_later(now);
    return;
  }
  core::Destruction& known = database_.destruction;
  stage_ = Stage::kIdle;
  const core::Micros later = store::now();
  const core::Micros effort = effort_ + later - now;
  not_before_ = later + std::clamp(kRestShare * effort, kRest, kLongestRest);
  known.cleaned_at.store(later);
  if (known.deaths.load() == seen_) known.pending_since.store(0);
}

void Destruction::look_later(core::Micros now) noexcept {
  stage_ = Stage::kWaiting;
  due_ = now + pause_;
  pause_ = std::min(pause_ * 2, kLongestPause);
}

// For whoever wonders why it takes so long.
void Destruction::note_holdup() {
  core::Destruction& known = database_.destruction;
  attempt([&known] {
    pg::Session session;
    const pg::Rows rows = session.run(
        "SELECT h.kind, h.pid FROM ("
        " SELECT 1 AS kind, a.pid, greatest(age(a.backend_xmin), age(a.backend_xid)) AS age"
        " FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid()"
        " AND (a.datname IS NULL OR a.datname = current_database())"
        " AND a.backend_type <> 'autovacuum worker'"
        " UNION ALL SELECT 2, 0, age(p.transaction) FROM pg_prepared_xacts p"
        " WHERE p.database = current_database()"
        " UNION ALL SELECT 3, 0, age(s.xmin) FROM pg_replication_slots s) h"
        " WHERE h.age IS NOT NULL ORDER BY h.age DESC LIMIT 1");
    known.holder.store(rows.empty() ? 0 : rows.get<std::int32_t>(0, 1));
    known.holdup.store(rows.empty() ? core::Holdup::kOther
                                    : static_cast<core::Holdup>(rows.get<std::int32_t>(0, 0)));
  });
}

}  // namespace keypool::worker
