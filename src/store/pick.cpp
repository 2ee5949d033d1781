#include "store/pick.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>

#include "core/error.hpp"
#include "pg/lwlock.hpp"
#include "pg/settings.hpp"
#include "store/coherence.hpp"
#include "store/keyring.hpp"
#include "store/loader.hpp"
#include "store/no_key.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

using core::kNone;

enum class Outcome { kTaken, kNothing, kUnknownProvider, kLeasesFull };

// Slots copied under one hold of a group's lock: picks from a large group wait for no more.
constexpr std::size_t kSlotsAtOnce = 32;

constexpr std::array kOwnerOrder = {core::OwnerKind::kUser, core::OwnerKind::kOrganization,
                                    core::OwnerKind::kSystem};

// The owner's name among the request's, or nothing when the request names no such owner.
std::optional<std::string_view> owner_of(const PickRequest& request, core::OwnerKind kind) {
  switch (kind) {
    case core::OwnerKind::kUser:
      if (request.user.empty()) return std::nullopt;
      return request.user;
    case core::OwnerKind::kOrganization:
      if (request.organization.empty()) return std::nullopt;
      return request.organization;
    case core::OwnerKind::kSystem:
      break;
  }
  return std::string_view{};
}

// Longer names are refused rather than treated as owners without keys: they are a mistake.
void check_owner(const char* argument, std::string_view owner) {
  if (owner.size() <= core::kMaxOwner) [[likely]]
    return;
  throw core::Error(
      core::ErrorCode::kInvalidArgument,
      std::string(argument) + " is longer than " + std::to_string(core::kMaxOwner) + " bytes");
}

void check_owners(std::string_view user, std::string_view organization) {
  check_owner("user_id", user);
  check_owner("organization_id", organization);
}

// Runs body(provider index) with the pool's lock shared and everything loaded that the request may
// look at there; kNone when the provider is not known.
template <typename Body>
void with_provider(core::Database& database, std::string_view name, std::string_view user,
                   Body body) {
  const std::uint32_t oid = database.oid.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t epoch = database.epochs.mirrored.load();
    const std::uint64_t user_epoch =
        user.empty() ? 0 : database.epochs.users[core::Pool::shard_of(user)].load();
    std::uint32_t provider = kNone;
    bool mirrored = false;
    {
      const pg::SharedGuard guard(pool_lock());
      core::Pool& all = pool();
      mirrored = database.loaded >= epoch;
      if (mirrored) {
        provider = all.find_provider(oid, name);
        bool present = user.empty() || provider == kNone;
        if (!present) {
          const std::uint32_t group = all.find_group({oid, provider, core::OwnerKind::kUser, user});
          present = group != kNone && all.group(group).epoch >= user_epoch;
        }
        if (present) {
          body(provider);
          return;
        }
      }
    }
    pg::check_interrupts();
    if (mirrored) {
      load_user(database, provider, user);
    } else {
      ensure_mirrored(database);
    }
  }
}

void copy_out(const core::Slot& slot, core::OwnerKind kind, Picked& picked) {
  const core::KeyConfig& config = slot.config;
  picked.key_id = config.key_id;
  picked.kind = kind;
  picked.has_base_url = config.has_base_url;
  picked.key_name_size = config.name_size;
  picked.key_name_text = config.name;
  picked.envelope_size = config.envelope_size;
  std::copy_n(config.envelope.begin(), config.envelope_size, picked.envelope.begin());
}

void copy_provider(const core::ProviderConfig& config, bool with_url, Picked& picked) {
  picked.provider_size = config.name_size;
  std::copy_n(config.name.begin(), config.name_size, picked.provider_text.begin());
  picked.base_url_size = with_url ? config.base_url_size : 0;
  std::copy_n(config.base_url.begin(), picked.base_url_size, picked.base_url_text.begin());
}

// Writes the lease of the key just taken down; false, and the reservation is undone, when full.
bool put_lease(core::Group& group, core::Slot& slot, const core::Wish& wish, core::Micros now,
               Picked& picked) {
  core::Lease lease = {.id = 0,
                       .key_id = slot.config.key_id,
                       .database = group.database,
                       .tokens = wish.tokens,
                       .cost_nano = wish.cost_nano,
                       .acquired_at = now,
                       .expires_at = now + pg::settings().lease_timeout * core::kSecond};
  picked.lease_id = pool().leases().put(lease);
  if (picked.lease_id != 0) return true;
  core::return_lease(slot, lease, true);
  return false;
}

Outcome take_from(std::uint32_t database, std::uint32_t provider_index, const PickRequest& request,
                  const core::Moment& at, Picked& picked) {
  core::Pool& all = pool();
  core::Provider& provider = all.provider(provider_index);
  if (core::provider_standing(provider, at.now).blocked != core::Blocked::kNo) {
    return Outcome::kNothing;
  }
  for (const core::OwnerKind kind : kOwnerOrder) {
    const auto owner = owner_of(request, kind);
    if (!owner) continue;
    const std::uint32_t index = all.find_group({database, provider_index, kind, *owner});
    if (index == kNone) continue;
    core::Group& group = all.group(index);
    const std::lock_guard lock(group.lock);
    const std::uint32_t taken = core::take_key(all, group, provider, request.wish, at);
    if (taken == kNone) continue;
    core::Slot& slot = all.slot(taken);
    picked.lease_id = 0;
    if (request.wish.lease && !put_lease(group, slot, request.wish, at.now, picked)) {
      core::rerank(all, group, provider, taken, at);
      return Outcome::kLeasesFull;
    }
    copy_out(slot, kind, picked);
    copy_provider(provider.config, request.wish.lease, picked);
    picked.strategy = core::strategy_of(provider, request.wish, at);
    return Outcome::kTaken;
  }
  return Outcome::kNothing;
}

Outcome pick_at(core::Database& database, std::string_view name, const PickRequest& request,
                Picked& picked) {
  Outcome outcome = Outcome::kUnknownProvider;
  with_provider(database, name, request.user, [&](std::uint32_t provider) {
    if (provider == kNone) return;
    outcome = take_from(database.oid.load(std::memory_order_relaxed), provider, request, moment(),
                        picked);
  });
  return outcome;
}

// The names of the providers that a request may be served by, the asked one first.
std::vector<std::string> chain_of(core::Database& database, const PickRequest& request) {
  std::vector<std::string> names;
  with_provider(database, request.provider, {}, [&](std::uint32_t asked) {
    if (asked == kNone) return;
    names.emplace_back(pool().provider(asked).config.name_view());
    if (!request.fallback) return;
    std::vector<const core::ProviderConfig*> chain;
    for (std::uint32_t i = 0; i < core::kMaxProviders; ++i) {
      const core::ProviderConfig& config = pool().provider(i).config;
      const bool in_chain = config.database == database.oid.load() && config.enabled &&
                            config.fallback_order != core::kNoFallback && i != asked;
      if (in_chain) chain.push_back(&config);
    }
    std::sort(chain.begin(), chain.end(), [](const auto* a, const auto* b) {
      return a->fallback_order != b->fallback_order ? a->fallback_order < b->fallback_order
                                                    : a->name_view() < b->name_view();
    });
    for (const auto* config : chain) names.emplace_back(config->name_view());
  });
  return names;
}

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
  std::uint32_t standing_choice = kNone;
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
    found.push_back({slot.config.key_id, std::string(slot.config.name_view()),
                     std::string(provider.config.name_view()), group.kind, standing,
                     slot.health.failure, rank,
                     core::score_of(turn_base, slot, i, strategy, at.now)});
  }
}

void candidates_at(core::Database& database, std::string_view name, const PickRequest& request,
                   std::vector<Candidate>& found) {
  with_provider(database, name, request.user, [&](std::uint32_t provider) {
    if (provider == kNone) return;
    const core::Moment at = moment();
    for (const core::OwnerKind kind : kOwnerOrder) {
      const auto owner = owner_of(request, kind);
      if (!owner) continue;
      const std::uint32_t group = pool().find_group({database.oid.load(), provider, kind, *owner});
      if (group == kNone) continue;
      const std::size_t first = found.size();
      candidates_of_group(group, provider, request, at, found);
      // The one that would be taken comes first, those that cannot be taken last.
      std::stable_sort(found.begin() + static_cast<std::ptrdiff_t>(first), found.end(),
                       [](const Candidate& a, const Candidate& b) {
                         const bool a_in = a.standing.blocked == core::Blocked::kNo;
                         const bool b_in = b.standing.blocked == core::Blocked::kNo;
                         return a_in != b_in ? a_in : a_in && a.rank < b.rank;
                       });
    }
  });
}

bool is_blocked_by_leases(const std::vector<Candidate>& all) {
  return std::any_of(all.begin(), all.end(), [](const Candidate& candidate) {
    return candidate.standing.blocked == core::Blocked::kConcurrency ||
           candidate.standing.blocked == core::Blocked::kDailyCost;
  });
}

Outcome pick_in_chain(core::Database& database, const PickRequest& request, Picked& picked) {
  const Outcome first = pick_at(database, request.provider, request, picked);
  if (first != Outcome::kNothing || !request.fallback) return first;
  for (const std::string& name : chain_of(database, request)) {
    const Outcome outcome = pick_at(database, name, request, picked);
    if (outcome == Outcome::kTaken || outcome == Outcome::kLeasesFull) return outcome;
  }
  return Outcome::kNothing;
}

}  // namespace

void pick(const PickRequest& request, Picked& picked) {
  check_owners(request.user, request.organization);
  catch_up();
  core::Database& database = current_database();
  Outcome outcome = pick_in_chain(database, request, picked);
  if (outcome != Outcome::kTaken && outcome != Outcome::kUnknownProvider) {
    // Leases whose holder never came back may be what is in the way.
    const bool leases_matter =
        outcome == Outcome::kLeasesFull || is_blocked_by_leases(candidates(request));
    if (leases_matter && expire_leases() != 0) outcome = pick_in_chain(database, request, picked);
  }
  if (outcome == Outcome::kUnknownProvider) throw unknown_provider(database, request.provider);
  if (outcome == Outcome::kLeasesFull) throw leases_full();
  if (outcome == Outcome::kNothing) throw no_key_available(request, candidates(request));
  note_dirty(database);
}

void open_picked(const Picked& picked, const PickRequest& request, std::span<std::byte> out) {
  const auto owner = owner_of(request, picked.kind);
  const core::KeyIdentity identity = {picked.key_id, picked.provider(), core::name(picked.kind),
                                      owner.value_or("")};
  open_secret({picked.envelope.data(), picked.envelope_size}, identity, out);
}

std::vector<Candidate> candidates(const PickRequest& request) {
  check_owners(request.user, request.organization);
  catch_up();
  core::Database& database = current_database();
  std::vector<Candidate> found;
  const std::vector<std::string> chain = chain_of(database, request);
  if (chain.empty()) throw unknown_provider(database, request.provider);
  for (const std::string& name : chain) candidates_at(database, name, request, found);
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
    candidates_at(database, name, {.provider = name, .user = user, .organization = organization},
                  keys);
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
