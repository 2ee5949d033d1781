#include "store/pick.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "core/selection.hpp"
#include "core/secret.hpp"
#include "pg/error_map.hpp"
#include "pg/lwlock.hpp"
#include "pg/settings.hpp"
#include "store/audit.hpp"
#include "store/audit_board.hpp"
#include "store/budget_gate.hpp"
#include "store/caller_limits.hpp"
#include "store/candidates.hpp"
#include "store/coherence.hpp"
#include "store/keyring.hpp"
#include "store/no_key.hpp"
#include "store/pick_owners.hpp"
#include "store/pick_story.hpp"
#include "store/report.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"
#include "store/with_provider.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

using core::kNone;
using Answer = BudgetGate::Answer;

enum class Outcome {
  kTaken,
  kNothing,
  kUnknownProvider,
  kLeasesFull,
  kRefused,  // by a budget
  kAgain,    // a budget's sum is to be loaded first
};

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

// One look at one provider, with everything locked and loaded.
class Attempt {
 public:
  Attempt(const PickRequest& request, BudgetGate& gate, std::uint32_t database,
          std::uint32_t provider, Picked& picked)
      : request_(request),
        gate_(gate),
        database_(database),
        provider_index_(provider),
        provider_(pool().provider(provider)),
        at_(moment()),  // with the lock held: what waited for it must not bring an old time
        picked_(picked) {}

  Outcome run() {
    if (core::provider_standing(provider_, at_.now).blocked != core::Blocked::kNo) {
      return Outcome::kNothing;
    }
    if (!gate_.is_needed()) [[likely]]
      return take_in_order();
    const pg::SharedGuard budgets(budget_lock());
    const Answer answer = gate_.admit(provider_.config, at_.now);
    if (answer != Answer::kYes) return refused(answer);
    const Outcome outcome = take_in_order();
    if (outcome != Outcome::kTaken) gate_.give_back();
    return outcome;
  }

 private:
  static Outcome refused(Answer answer) {
    return answer == Answer::kNo ? Outcome::kRefused : Outcome::kAgain;
  }

  Outcome take_in_order() {
    picked_.passed_owners = 0;
    for (const core::OwnerKind kind : kOwnerOrder) {
      const auto owner = owner_of(request_, kind);
      if (!owner || gate_.skips(kind)) continue;
      const std::uint32_t index = pool().find_group({database_, provider_index_, kind, *owner});
      if (index == kNone) continue;
      core::Group& group = pool().group(index);
      const std::lock_guard lock(group.lock);
      const Outcome outcome = take_from(group, kind);
      if (outcome != Outcome::kNothing) return outcome;
      if (group.count != 0) picked_.passed_owners |= 1u << static_cast<int>(kind);
    }
    return Outcome::kNothing;
  }

  Outcome take_from(core::Group& group, core::OwnerKind kind) {
    for (;;) {
      const core::Wish& wish = gate_.wish();
      const std::uint32_t taken = core::take_key(pool(), group, provider_, wish, at_);
      if (taken == kNone) return Outcome::kNothing;
      core::Slot& slot = pool().slot(taken);
      const Answer answer = gate_.is_needed() ? gate_.admit_key(slot.config.key_id) : Answer::kYes;
      const bool full = answer == Answer::kYes && wish.lease && !put_lease(group, slot);
      if (answer == Answer::kYes && !full) {
        copy_out(slot, kind, picked_);
        copy_provider(provider_.config, wish.lease, picked_);
        picked_.strategy = core::strategy_of(provider_, wish, at_);
        picked_.picked_at = at_.now;
        return Outcome::kTaken;
      }
      core::undo_take(slot, wish, at_.now);
      core::rerank(pool(), group, provider_, taken, at_);
      if (full) return Outcome::kLeasesFull;
      if (answer == Answer::kAgain) return Outcome::kAgain;
    }
  }

  // Writes the lease of the key just taken down; false when there is no room for it.
  bool put_lease(core::Group& group, const core::Slot& slot) {
    const core::Wish& wish = gate_.wish();
    core::Lease lease = {.id = 0,
                         .key_id = slot.config.key_id,
                         .database = group.database,
                         .tokens = wish.tokens,
                         .cost_nano = wish.cost_nano,
                         .acquired_at = at_.now,
                         .expires_at = at_.now + pg::settings().lease_timeout * core::kSecond};
    gate_.write_to(lease);
    picked_.lease_id = pool().leases().put(lease);
    return picked_.lease_id != 0;
  }

  const PickRequest& request_;
  BudgetGate& gate_;
  std::uint32_t database_;
  std::uint32_t provider_index_;
  core::Provider& provider_;
  core::Moment at_;
  Picked& picked_;
};

Outcome pick_at(core::Database& database, std::string_view provider, std::string_view model,
                const PickRequest& request, BudgetGate& gate, Picked& picked) {
  for (;;) {
    gate.prepare(provider, model);
    Outcome outcome = Outcome::kUnknownProvider;
    with_provider(database, provider, request.user, [&](std::uint32_t index) {
      if (index == kNone) return;
      picked.lease_id = 0;
      outcome =
          Attempt(request, gate, database.oid.load(std::memory_order_relaxed), index, picked).run();
    });
    if (outcome == Outcome::kAgain) {
      gate.load();
      continue;
    }
    const bool in_vain = outcome == Outcome::kNothing || outcome == Outcome::kRefused;
    if (!in_vain || !gate.fall_back()) return outcome;
  }
}

Outcome pick_in_chain(core::Database& database, const PickRequest& request, BudgetGate& gate,
                      Picked& picked, StoryTeller& story) {
  Outcome outcome = Outcome::kNothing;
  if (!request.cheaper_first) {
    outcome = pick_at(database, request.provider, request.wish.model, request, gate, picked);
    const bool in_vain = outcome == Outcome::kNothing || outcome == Outcome::kRefused;
    if (!in_vain || !(request.fallback || gate.goes_on())) return outcome;
  }
  const std::vector<ChainLink> chain = chain_of(database, request, true);
  for (std::size_t i = 0; i < chain.size(); ++i) {
    story.came_to(chain[i]);
    if (i == 0 && !request.cheaper_first) continue;  // looked at above
    outcome = pick_at(database, chain[i].provider, chain[i].model, request, gate, picked);
    if (outcome == Outcome::kTaken || outcome == Outcome::kLeasesFull) return outcome;
  }
  return outcome;
}

bool is_blocked_by_leases(const std::vector<Candidate>& all) {
  return std::any_of(all.begin(), all.end(), [](const Candidate& candidate) {
    return candidate.standing.blocked == core::Blocked::kConcurrency ||
           candidate.standing.blocked == core::Blocked::kDailyCost ||
           candidate.standing.blocked == core::Blocked::kBudget;
  });
}

}  // namespace

void pick(const PickRequest& request, Picked& picked, PickStory* story) {
  check_owners(request.user, request.organization);
  admit_caller(request.user);
  catch_up();
  core::Database& database = current_database();
  std::optional<BudgetGate> gate(std::in_place, database, request);
  StoryTeller teller(database, request);
  Outcome outcome = pick_in_chain(database, request, *gate, picked, teller);
  if (outcome != Outcome::kTaken && outcome != Outcome::kUnknownProvider) {
    // Leases whose holder never came back may be what is in the way.
    const bool leases_matter = outcome == Outcome::kLeasesFull || outcome == Outcome::kRefused ||
                               is_blocked_by_leases(candidates(request));
    if (leases_matter && expire_leases() != 0) {
      gate.emplace(database, request);
      teller.start_over();
      outcome = pick_in_chain(database, request, *gate, picked, teller);
    }
  }
  if (outcome == Outcome::kUnknownProvider) throw unknown_provider(database, request.provider);
  if (outcome == Outcome::kLeasesFull) throw leases_full();
  if (outcome == Outcome::kRefused) throw gate->refusal();
  if (outcome == Outcome::kNothing) throw no_key_available(request, candidates(request));
  if (story != nullptr) teller.tell(*gate, picked, *story);
  note_dirty(database);
}

void open_picked(const Picked& picked, const PickRequest& request, std::span<std::byte> out) {
  const auto owner = owner_of(request, picked.kind);
  const core::KeyIdentity identity = {picked.key_id, picked.provider(), core::name(picked.kind),
                                      owner.value_or("")};
  try {
    open_secret({picked.envelope.data(), picked.envelope_size}, identity, out);
  } catch (const core::Error& error) {
    note_attempt(core::kPickAction, picked.key_id, picked.provider(), pg::sqlstate(error.code()));
    throw;
  }
  try {
    note_pick(picked.key_id, picked.picked_at);
  } catch (...) {
    core::wipe(out);
    throw;
  }
}

}  // namespace keypool::store
