#include "worker/imports.hpp"

#include <algorithm>

#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "store/catalog.hpp"
#include "store/import_channel.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

core::Micros Imports::next_due(core::Micros now) const noexcept {
  if (!resumed_) return std::max(now, resume_at_);
  core::Micros due = core::kNever;
  for (const auto& run : runs_) due = std::min(due, run->next_due());
  return due > now && store::imports_posted() ? now : due;
}

void Imports::run(core::Micros now) {
  if (!resumed_) return resume(now);
  for (const store::PostedImport& posted : store::take_imports()) {
    runs_.push_back(std::make_unique<ImportRun>(posted));
  }
  for (std::size_t tried = 0; tried < runs_.size(); ++tried) {
    turn_ = (turn_ + 1) % runs_.size();
    if (runs_[turn_]->next_due() <= now) return advance(turn_);
  }
}

// One that has ended worker after worker without getting anywhere is left alone.
void Imports::resume(core::Micros now) {
  const auto problem = pg::run_transaction([&] {
    const pg::ActAs owner(store::catalog().owner);
    pg::Session session;
    const pg::Rows left = session.run(
        "UPDATE keypool.request_imports SET attempts = attempts + 1,"
        " state = CASE WHEN attempts < 5 THEN state ELSE 'failed' END,"
        " error = CASE WHEN attempts >= 5"
        "              THEN 'the background worker has ended here again and again' END"
        " WHERE state = 'running' RETURNING id, state");
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left.get<std::string_view>(i, 1) != "running") continue;
      const auto id = left.get<std::int64_t>(i, 0);
      runs_.push_back(std::make_unique<ImportRun>(id, store::order_of_import(id)));
    }
  });
  resumed_ = !problem;
  if (!problem) return;
  runs_.clear();
  resume_at_ = now + core::kSecond;
}

void Imports::advance(std::size_t index) {
  ImportRun& run = *runs_[index];
  const bool was_begun = run.id() != 0;
  const auto same = [&run](const auto& other) {
    return other.get() != &run && other->id() != 0 && other->id() == run.id();
  };
  const bool goes_on = run.advance([this](std::int64_t import_id) {
    return std::any_of(runs_.begin(), runs_.end(), [import_id](const auto& other) {
      return other->id() == import_id && other->order() != 0 && other->wanted();
    });
  });
  // One that nobody waited for any more: this one goes on with it.
  if (!was_begun) {
    for (const auto& other : runs_) {
      if (same(other)) store::end_import(other->order(), {});
    }
    runs_.erase(std::remove_if(runs_.begin(), runs_.end(), same), runs_.end());
  }
  if (goes_on) return;
  runs_.erase(std::find_if(runs_.begin(), runs_.end(),
                           [&run](const auto& each) { return each.get() == &run; }));
}

}  // namespace keypool::worker
