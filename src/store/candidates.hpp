// Every key that a pick would look at, and why it can be taken or not. Reserves nothing.
//
// Sees what a pick sees (store/pick.hpp). Needs a transaction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/ranking.hpp"
#include "store/pick_request.hpp"
#include "store/provider_chain.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// One key, in the order in which a pick looks at them.
struct Candidate {
  std::int64_t key_id;
  std::string key_name;
  std::string provider;
  core::OwnerKind kind;
  core::Standing standing;
  core::FailureClass failure;  // why it cools or is unhealthy
  core::Rank rank;             // among the eligible ones of its owner
  double score;                // the strategy's measure for people
  std::string objection;       // of a budget; empty: none
};

// Throws kInvalidArgument: longer names are a mistake, and no owners without keys.
void check_owners(std::string_view user, std::string_view organization);

// Along the chain that the request allows. Throws kUnknownProvider.
std::vector<Candidate> candidates(const PickRequest& request);
// At one provider.
std::vector<Candidate> candidates_at(core::Database& database, const ChainLink& link,
                                     const PickRequest& request);

// Where a pick would succeed now: one entry a provider and owner kind.
struct Availability {
  std::string provider;
  core::OwnerKind kind;
  std::int32_t keys;
};
std::vector<Availability> availability(std::string_view user, std::string_view organization);

}  // namespace keypool::store
