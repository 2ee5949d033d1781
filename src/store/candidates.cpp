#include "store/candidates.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "pg/lwlock.hpp"
#include "store/budget_gate.hpp"
#include "store/coherence.hpp"
#include "store/loader.hpp"
#include "store/no_key.hpp"
#include "store/pick_owners.hpp"
#include "store/shared_pool.hpp"
#include "store/with_provider.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Slots copied under one hold of a group's lock: picks from a large group wait for no more.
constexpr std::size_t kSlotsAtOnce = 32;

void candidates_of_group(std::uint32_t index, std::uint32_t provider_index,
                         const PickRequest& request, const core::Moment& at,
                         std::vector<Candidate>& found) {
  core::Pool& all = pool();
  core::Group& group = all.group(index);
  const core::Provider& provider = all.provider(provider_index);
  const core::Standing provider_is = core::provider_standing(provider, at.now);
  const core::Strategy strategy = core::strategy_of(provider, request.wish, at);
  std::vector<core::Slot> slots(group.count);  // copied: no allocation under the spinlock
  double turn_base;
  std::uint32_t standing_choice = core::kNone;
  {
    const std::lock_guard lock(group.lock);
    if (group.count != 0) core::rank_if_due(all, group, provider, at);
    if (core::choice_stands(all, group, provider, request.wish, at.now)) {
      standing_choice = group.sticky;
    }
    turn_base = static_cast<double>(group.turn);
  }
  for (std::size_t done = 0; done < slots.size(); done += kSlotsAtOnce) {
    const std::lock_guard lock(group.lock);
    const std::size_t count = std::min(kSlotsAtOnce, slots.size() - done);
    std::copy_n(all.slots_of(group).begin() + done, count, slots.begin() + done);
  }
  for (std::uint32_t i = 0; i < slots.size(); ++i) {
    core::Slot& slot = slots[i];
    core::Standing standing = core::standing_of(slot, request.wish, at.now);
    if (provider_is.blocked != core::Blocked::kNo) standing = provider_is;
    const core::Rank rank =
        i == standing_choice ? core::Rank{} : core::rank_of(slot, strategy, at.now);
    found.push_back({slot.config.key_id,
                     std::string(slot.config.name_view()),
                     std::string(provider.config.name_view()),
                     group.kind,
                     standing,
                     slot.health.failure,
                     rank,
                     core::score_of(turn_base, slot, i, strategy, at.now),
                     {}});
  }
}

void look_at(core::Database& database, std::string_view name, const PickRequest& request,
             std::vector<Candidate>& found) {
  with_provider(database, name, request.user, [&](std::uint32_t provider) {
    if (provider == core::kNone) return;
    const core::Moment at = moment();
    for (const core::OwnerKind kind : kOwnerOrder) {
      const auto owner = owner_of(request, kind);
      if (!owner) continue;
      const std::uint32_t group = pool().find_group({database.oid.load(), provider, kind, *owner});
      if (group == core::kNone) continue;
      candidates_of_group(group, provider, request, at, found);
    }
  });
}

// The one that would be taken comes first among its owner's, those that cannot be taken last.
void sort_by_owner(std::vector<Candidate>& found) {
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    if (a.kind != b.kind) return a.kind < b.kind;
    const bool a_in = a.standing.blocked == core::Blocked::kNo;
    const bool b_in = b.standing.blocked == core::Blocked::kNo;
    return a_in != b_in ? a_in : a_in && a.rank < b.rank;
  });
}

// What a budget refuses is as if there were no key that could be taken.
void object(BudgetGate& gate, std::vector<Candidate>& found) {
  if (!gate.is_needed()) return;
  const auto on_request = gate.objection(0);
  for (Candidate& candidate : found) {
    if (candidate.standing.blocked != core::Blocked::kNo) continue;
    const auto objection = on_request ? on_request : gate.objection(candidate.key_id);
    if (!objection) continue;
    candidate.standing = {core::Blocked::kBudget, objection->free_at};
    candidate.objection = objection->text;
  }
}

// Longer names are refused rather than treated as owners without keys: they are a mistake.
void check_owner(const char* argument, std::string_view owner) {
  if (owner.size() <= core::kMaxOwner) [[likely]]
    return;
  throw core::Error(
      core::ErrorCode::kInvalidArgument,
      std::string(argument) + " is longer than " + std::to_string(core::kMaxOwner) + " bytes");
}

}  // namespace

void check_owners(std::string_view user, std::string_view organization) {
  check_owner("user_id", user);
  check_owner("organization_id", organization);
}

std::vector<Candidate> candidates(const PickRequest& request) {
  check_owners(request.user, request.organization);
  catch_up();
  core::Database& database = current_database();
  std::vector<Candidate> found;
  const std::vector<ChainLink> chain = chain_of(database, request, request.fallback);
  if (chain.empty()) throw unknown_provider(database, request.provider);
  for (const ChainLink& link : chain) {
    const std::vector<Candidate> there = candidates_at(database, link, request);
    found.insert(found.end(), there.begin(), there.end());
  }
  return found;
}

std::vector<Candidate> candidates_at(core::Database& database, const ChainLink& link,
                                     const PickRequest& request) {
  PickRequest at_link = request;
  at_link.wish.model = link.model;
  BudgetGate gate(database, at_link);
  gate.prepare(link.provider, link.model);
  at_link.wish = gate.wish();
  std::vector<Candidate> found;
  look_at(database, link.provider, at_link, found);
  object(gate, found);
  sort_by_owner(found);
  return found;
}

std::vector<Availability> availability(std::string_view user, std::string_view organization) {
  check_owners(user, organization);
  catch_up();
  core::Database& database = current_database();
  ensure_mirrored(database);
  std::vector<std::string> names;
  {
    const pg::SharedGuard guard(pool_lock());
    for (std::uint32_t i = 0; i < core::kMaxProviders; ++i) {
      const core::ProviderConfig& config = pool().provider(i).config;
      if (config.database == database.oid.load()) names.emplace_back(config.name_view());
    }
  }
  std::sort(names.begin(), names.end());
  std::vector<Availability> found;
  for (const std::string& name : names) {
    std::vector<Candidate> keys;
    look_at(database, name, {.provider = name, .user = user, .organization = organization}, keys);
    for (const core::OwnerKind kind : kOwnerOrder) {
      const auto usable = std::count_if(keys.begin(), keys.end(), [kind](const Candidate& key) {
        return key.kind == kind && key.standing.blocked == core::Blocked::kNo;
      });
      if (usable != 0) found.push_back({name, kind, static_cast<std::int32_t>(usable)});
    }
  }
  return found;
}

}  // namespace keypool::store
