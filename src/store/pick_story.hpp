// What is told of a choice in its receipt. Costs nothing while the first look succeeds.
#pragma once

#include <string>
#include <vector>

#include "core/pool.hpp"
#include "store/pick_request.hpp"
#include "store/provider_chain.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

class BudgetGate;
struct Picked;
struct PickStory;

class StoryTeller {
 public:
  StoryTeller(core::Database& database, const PickRequest& request)
      : database_(database), request_(request) {}

  // The pick looks at that provider, after what it tried before.
  void came_to(const ChainLink& link) { links_.push_back(link); }
  void start_over() noexcept { links_.clear(); }

  void tell(const BudgetGate& gate, const Picked& picked, PickStory& story) const;

 private:
  core::Database& database_;
  const PickRequest& request_;
  std::vector<ChainLink> links_;
};

}  // namespace keypool::store
