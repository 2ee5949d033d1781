#include "worker/import_run.hpp"

#include <algorithm>

#include "pg/owner.hpp"
#include "pg/scoped_settings.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/acl.h"
#include "utils/timeout.h"
}

namespace keypool::worker {

namespace {

constexpr core::Micros kBatchTime = 150 * core::kMillisecond;
constexpr int kLongestStepMs = 60'000;
constexpr core::Micros kPause = 200 * core::kMillisecond;
constexpr std::int64_t kFewestRows = 100;
constexpr std::int64_t kMostRows = 50'000;
constexpr int kMostFailures = 30;

// A lock that was not free in time, a deadlock, a conflict: the same may work a moment later.
bool may_pass(int sqlstate) {
  return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TRANSACTION_ROLLBACK ||
         ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
}

Oid role_named(const std::string& name) {
  const char* role = name.c_str();
  return pg::call([role] { return get_role_oid(role, false); });
}

// Rows come by the key's index, whatever the statistics say. Row security that has come to apply
// to the importer is an error then, and not a smaller table.
class ReadingSettings : pg::ScopedSettings {
 public:
  ReadingSettings()
      : ScopedSettings(
            {{"enable_seqscan", "off"}, {"enable_bitmapscan", "off"}, {"row_security", "off"}}) {}
};

// What the source's owner has hung on his table may run meanwhile, and sleep.
class [[nodiscard]] TimeLimit {
 public:
  TimeLimit() {
    pg::call([] { enable_timeout_after(STATEMENT_TIMEOUT, kLongestStepMs); });
  }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;
  ~TimeLimit() {
    disable_timeout(STATEMENT_TIMEOUT, false);
    QueryCancelPending = false;
  }
};

std::int64_t adapted(std::int64_t rows, core::Micros took) {
  const std::int64_t fitting = rows * kBatchTime / std::max<core::Micros>(took, 1);
  // Not more than twice as many at once: the first rows of all are the slowest.
  return std::clamp(std::min(fitting, rows * 2), kFewestRows, kMostRows);
}

}  // namespace

bool ImportRun::advance(const Busy& busy) {
  if (!wanted()) {
    if (id_ != 0) write_end("stopped", "cancelled");
    store::end_import(order_, {});
    return false;
  }
  Outcome outcome = Outcome::kGoesOn;
  const auto problem = pg::run_transaction([&] {
    const TimeLimit limit;
    const store::ImportSettings settings;
    const pg::ActAs owner(store::catalog().owner);
    outcome = id_ == 0 ? begin(busy) : days_made_ ? copy_batch() : make_days();
  });
  if (problem) return fail(*problem);
  failures_ = 0;
  if (id_ == 0 && outcome == Outcome::kGoesOn) {
    id_ = begun_id_;
    store::bind_import(order_, id_);
  }
  if (outcome == Outcome::kGoesOn) return true;
  store::end_import(order_, outcome == Outcome::kBusy ? "the table is being imported already" : "");
  return false;
}

ImportRun::Outcome ImportRun::begin(const Busy& busy) {
  pg::Session session;
  {
    const pg::Rows earlier =
        session.run("SELECT id FROM keypool.request_imports WHERE source = ($1 ->> 'source')::oid",
                    pg::Json{work_});
    if (!earlier.empty() && busy(earlier.get<std::int64_t>(0, 0))) return Outcome::kBusy;
  }
  const pg::Rows begun = session.run(
      "SELECT import_id, make_trigger FROM keypool.begin_import($1, true)", pg::Json{work_});
  begun_id_ = begun.get<std::int64_t>(0, 0);
  if (const auto trigger = begun.optional<std::string>(0, 1)) follow(begun_id_, *trigger);
  return Outcome::kGoesOn;
}

// Making the trigger waits for everybody who writes to the source, and keeps others from it until
// this transaction ends. What can be seen then is what the trigger has not taken.
void ImportRun::follow(std::int64_t import_id, const std::string& make_trigger) {
  pg::Session session;
  const pg::Rows import = session.run(
      "SELECT source::oid, importer::text, columns FROM keypool.request_imports WHERE id = $1",
      import_id);
  const auto reading =
      store::ImportReading::planned(import.get<Oid>(0, 0), import.get<pg::Json>(0, 2).text);
  const Oid role = role_named(import.get<std::string>(0, 1));
  store::SourceKey last;
  {
    const pg::ActAs importer(role, pg::kConfined);
    const ReadingSettings settings;
    pg::Session theirs;
    theirs.run(make_trigger.c_str());
    const pg::LatestSnapshot latest;
    last = reading.highest_key();
  }
  session.run("UPDATE keypool.request_imports SET follow = true, up_to = $2 WHERE id = $1",
              import_id, store::views(last));
}

// Days that others keep us from making for too long are done without: their rows go to the log's
// default partition.
ImportRun::Outcome ImportRun::make_days() {
  pg::Session session;
  const pg::Rows rows = session.run("SELECT keypool.make_import_days($1)", id_);
  const int missing = rows.get<std::int32_t>(0, 0);
  days_waited_ = missing == days_missing_ ? days_waited_ + 1 : 0;
  days_missing_ = missing;
  days_made_ = missing == 0 || days_waited_ > kMostFailures;
  if (days_waited_ > 0) not_before_ = store::now() + kPause;
  return Outcome::kGoesOn;
}

ImportRun::Outcome ImportRun::copy_batch() {
  pg::Session session;
  const pg::Rows import = session.run(
      "SELECT source::oid, importer::text, columns, reached, up_to FROM keypool.request_imports"
      " WHERE id = $1 AND state = 'running' FOR UPDATE",
      id_);
  if (import.empty()) return Outcome::kDone;  // somebody has deleted it
  const store::SourceKey reached = store::source_key(import, 0, 3);
  const store::SourceKey up_to = store::source_key(import, 0, 4);
  if (!up_to) return finish();
  if (!copy_) {
    reading_ =
        store::ImportReading::planned(import.get<Oid>(0, 0), import.get<pg::Json>(0, 2).text);
    copy_.emplace(id_);
  }
  const Oid role = role_named(import.get<std::string>(0, 1));
  const core::Micros start = store::now();
  std::optional<pg::RowBatch> batch;
  {
    const pg::ActAs importer(role, pg::kConfined);
    const ReadingSettings settings;
    const pg::Cursor cursor = reading_->rows(reached, up_to, most_);
    batch.emplace(cursor, static_cast<std::size_t>(most_));
  }
  if (batch->size() != 0) copy_->take(*batch);
  if (static_cast<std::int64_t>(batch->size()) < most_) return finish();
  most_ = adapted(most_, store::now() - start);
  return Outcome::kGoesOn;
}

ImportRun::Outcome ImportRun::finish() {
  pg::Session session;
  session.run("SELECT keypool.finish_import($1)", id_);
  return Outcome::kDone;
}

bool ImportRun::fail(const pg::Problem& problem) {
  // What they had learned may have been rolled back.
  reading_.reset();
  copy_.reset();
  ++failures_;
  if (may_pass(problem.sqlstate) && failures_ < kMostFailures) {
    not_before_ = store::now() + std::min(failures_, 10) * kPause;
    return true;
  }
  if (id_ != 0) write_end("failed", problem.message);
  store::end_import(order_, problem.message);
  return false;
}

void ImportRun::write_end(std::string_view state, std::string_view error) const {
  pg::run_transaction([&] {
    const pg::ActAs owner(store::catalog().owner);
    pg::Session session;
    session.run(
        "UPDATE keypool.request_imports SET state = $2, error = $3,"
        " updated_at = clock_timestamp(), finished_at = clock_timestamp()"
        " WHERE id = $1 AND state = 'running'",
        id_, state, error);
  });
}

}  // namespace keypool::worker
