// What budgets say to one pick: the amount it would take, whether they let it through, and what it
// falls back on.
//
// Lives as long as the pick. prepare(), load() and fall_back() may call Postgres; admit(),
// admit_key(), give_back() and write_to() run under the pool's lock and the budgets', both shared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/budget_table.hpp"
#include "core/error.hpp"
#include "core/pool.hpp"
#include "store/pick_request.hpp"
#include "store/provider_name.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

class BudgetGate {
 public:
  BudgetGate(core::Database& database, const PickRequest& request);

  enum class Answer {
    kYes,
    kNo,     // a budget refuses
    kAgain,  // load(), and start over
  };

  // For a pick at that provider: brings the budgets up to date, and estimates the cost.
  void prepare(std::string_view provider, std::string_view model);
  // Loads the sums, or makes the room, that admit() or admit_key() lacked.
  void load();

  // With no budget in the database there is nothing to be admitted by.
  bool is_needed() const noexcept { return needed_; }
  const core::Wish& wish() const noexcept { return wish_; }
  bool skips(core::OwnerKind kind) const noexcept {
    return (skipped_owners_ >> static_cast<int>(kind) & 1) != 0;
  }

  // Reserves on all budgets but the key's, for a pick at that provider.
  Answer admit(const core::ProviderConfig& provider, core::Micros now) noexcept;
  // Reserves on those of the key just taken. kNo: the key is left out from now on.
  Answer admit_key(std::int64_t key_id) noexcept;
  void give_back() noexcept;
  void write_to(core::Lease& lease) const noexcept;

  // After a refusal: true when there is something to fall back on, and the wish is another one now.
  bool fall_back();
  // A budget has sent the pick on to another provider.
  bool goes_on() const noexcept { return goes_on_; }
  // The model to use instead of the one asked for; empty: none.
  std::string_view fallback_model() const noexcept { return fallback_model_; }
  // The budgets that refused, in words.
  const std::vector<std::string>& objections() const noexcept { return objections_; }
  // KP002, of the last refusal; there was one.
  core::Error refusal() const;

  struct Objection {
    std::string text;
    core::Micros free_at;
  };
  // Only looks: why a budget refuses this pick, or this pick with that key (0: any).
  std::optional<Objection> objection(std::int64_t key_id);

 private:
  void estimate();
  std::string_view find_name();
  void make_room();
  core::Spender spender() const noexcept;
  Answer collect(core::AccountList& list, std::int64_t key_id) noexcept;
  Answer take(core::AccountList& list, bool tentative) noexcept;
  core::Claim claim(bool tentative) const noexcept;

  core::Database& database_;
  const PickRequest& request_;
  core::Wish wish_;
  bool needed_ = false;
  bool cost_known_ = true;
  bool goes_on_ = false;
  bool overflow_ = false;
  bool lacks_room_ = false;
  bool outdated_ = false;        // a period has ended
  unsigned skipped_owners_ = 0;  // a bit for each kind
  core::Micros asked_at_ = 0;
  core::Micros now_ = 0;
  std::string_view asked_provider_;
  ProviderName provider_;
  std::string model_;  // where it is not the one asked for
  std::string fallback_model_;
  std::vector<std::int64_t> excluded_;
  std::vector<std::int64_t> passed_;  // budgets that have been fallen back from
  std::int64_t lacking_key_ = 0;
  core::AccountList on_request_;
  core::AccountList on_key_;
  std::optional<core::AccountFigures> refused_;
  bool refused_unknown_ = false;  // since the cost is not known
  std::vector<std::string> objections_;
};

}  // namespace keypool::store
