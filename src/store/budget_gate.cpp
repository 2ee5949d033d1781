#include "store/budget_gate.hpp"

#include <algorithm>

#include "pg/lwlock.hpp"
#include "store/budget_charges.hpp"
#include "store/budget_mirror.hpp"
#include "store/budget_words.hpp"
#include "store/cost_estimate.hpp"
#include "store/prices.hpp"
#include "store/shared_budgets.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
#include "miscadmin.h"
}

namespace keypool::store {

namespace {

constexpr core::BudgetScope kRequestScopes[] = {
    core::BudgetScope::kGlobal, core::BudgetScope::kProvider, core::BudgetScope::kOrganization,
    core::BudgetScope::kUser,   core::BudgetScope::kModel,    core::BudgetScope::kAnonymous};

core::Error too_many_budgets() {
  return {core::ErrorCode::kConfigurationLimit, "too many budgets apply to one request",
          "At most " + std::to_string(core::kMaxAccountsOfLease) + " may.",
          "Delete or disable some in keypool.budgets."};
}

// Keys left out because of their budgets, before more room for them is made.
constexpr std::size_t kFirstExcluded = 16;

// The accounts of the last request, which a session often asks for again: comparing four texts is
// cheaper than looking up as many accounts as there are scopes.
struct RecentAccounts {
  Oid database;
  std::uint64_t epoch;  // 0: none
  std::array<std::uint16_t, 4> sizes;
  std::array<char, 256> texts;  // provider, model, user, organization
  core::AccountList list;
};
constinit RecentAccounts recent_accounts = {};

std::array<std::string_view, 4> texts_of(const core::Spender& who) noexcept {
  return {who.provider, who.model, who.user, who.organization};
}

bool recall_accounts(const core::Spender& who, const core::AccountMoment& at,
                     core::AccountList& list) noexcept {
  if (recent_accounts.epoch != at.epoch || recent_accounts.database != MyDatabaseId) return false;
  const char* next = recent_accounts.texts.data();
  const auto texts = texts_of(who);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (std::string_view(next, recent_accounts.sizes[i]) != texts[i]) return false;
    next += recent_accounts.sizes[i];
  }
  if (!budget_table().are_usable(recent_accounts.list, at)) return false;
  list = recent_accounts.list;
  return true;
}

void remember_accounts(const core::Spender& who, const core::AccountMoment& at,
                       const core::AccountList& list) noexcept {
  std::size_t used = 0;
  const auto texts = texts_of(who);
  recent_accounts.epoch = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (used + texts[i].size() > recent_accounts.texts.size()) return;
    recent_accounts.sizes[i] = static_cast<std::uint16_t>(texts[i].size());
    std::copy(texts[i].begin(), texts[i].end(), recent_accounts.texts.begin() + used);
    used += texts[i].size();
  }
  recent_accounts.list = list;
  recent_accounts.database = MyDatabaseId;
  recent_accounts.epoch = at.epoch;
}

}  // namespace

BudgetGate::BudgetGate(core::Database& database, const PickRequest& request)
    : database_(database), request_(request), wish_(request.wish) {}

// The statement's time is near enough here, and costs nothing: admit() knows the moment.
void BudgetGate::prepare(std::string_view provider, std::string_view model) {
  asked_at_ = GetCurrentStatementStartTimestamp();
  ensure_budgets(database_, asked_at_);
  if (!fallback_model_.empty()) model = fallback_model_;
  if (model.data() != wish_.model.data()) {
    model_ = model;
    wish_.model = model_;
  }
  needed_ = database_.budgets.budgets.load(std::memory_order_relaxed) != 0;
  if (!needed_ && !wish_.lease) [[likely]]
    return;
  asked_provider_ = provider;
  if (wish_.lease) {
    estimate();
  } else if (!request_.has_cost && !wish_.model.empty()) {
    // Nothing is reserved; whether the cost is known matters all the same. Most ask for a provider
    // by its name.
    cost_known_ = price_at(provider, wish_.model, asked_at_).has_value() ||
                  estimate_cost(find_name(), wish_.model, 0, asked_at_).has_value();
  }
}

void BudgetGate::estimate() {
  if (!request_.has_cost) {
    const auto cost = estimate_cost(find_name(), wish_.model, wish_.tokens, asked_at_);
    cost_known_ = cost.has_value();
    wish_.cost_nano = cost.value_or(needed_ ? unknown_cost_nano() : 0);
  }
  if (needed_) wish_.cost_nano = std::max<std::int64_t>(wish_.cost_nano, 1);
}

// Of the provider, for whatever it was asked by.
std::string_view BudgetGate::find_name() {
  provider_ = provider_name(database_, asked_provider_);
  return provider_.view();
}

core::Spender BudgetGate::spender() const noexcept {
  return {.provider = provider_.view(),
          .model = wish_.model,
          .user = request_.user,
          .organization = request_.organization,
          .key_id = 0};
}

void BudgetGate::load() {
  if (overflow_) throw too_many_budgets();
  if (lacks_room_) return make_room();
  if (outdated_) {
    outdated_ = false;
    return ensure_budgets(database_, now());
  }
  const core::Spender who = spender();
  if (lacking_key_ != 0) {
    const core::BudgetSubject key(core::BudgetScope::kKey, {.key_id = lacking_key_});
    const BudgetOwner owner = {core::BudgetScope::kKey, key.text()};
    lacking_key_ = 0;
    load_accounts(database_, {&owner, 1});
    return;
  }
  std::vector<BudgetOwner> owners;
  for (const core::BudgetScope scope : kRequestScopes) {
    const core::BudgetSubject subject(scope, who);
    // No text of a subject but a key's lies in the subject itself.
    if (subject) owners.push_back({scope, subject.text()});
  }
  load_accounts(database_, owners);
}

void BudgetGate::make_room() {
  lacks_room_ = false;
  if (excluded_.empty()) {
    excluded_.assign(request_.wish.exclude.begin(), request_.wish.exclude.end());
  }
  excluded_.reserve(2 * excluded_.size() + kFirstExcluded);
  wish_.exclude = excluded_;
}

// Of the key when one is given, else of all the rest.
BudgetGate::Answer BudgetGate::collect(core::AccountList& list, std::int64_t key_id) noexcept {
  list.count = 0;
  list.incomplete = false;
  list.overflow = false;
  const core::AccountMoment at = account_moment(database_, now_);
  const auto add = [&](core::BudgetScope scope, const core::Spender& who) {
    const core::BudgetSubject subject(scope, who);
    if (subject) budget_table().collect(database_, scope, subject.text(), at, list);
  };
  if (key_id != 0) {
    add(core::BudgetScope::kKey, {.key_id = key_id});
  } else {
    const core::Spender who = spender();
    if (recall_accounts(who, at, list)) return Answer::kYes;
    for (const core::BudgetScope scope : kRequestScopes) add(scope, who);
    if (!list.incomplete && !list.overflow) remember_accounts(who, at, list);
  }
  const std::size_t before = key_id != 0 ? on_request_.count : 0;
  overflow_ |= list.overflow || before + list.count > core::kMaxAccountsOfLease;
  if (!list.incomplete && !overflow_) return Answer::kYes;
  lacking_key_ = key_id;
  return Answer::kAgain;
}

core::Claim BudgetGate::claim(bool tentative) const noexcept {
  return {.nano = std::max<std::int64_t>(1, wish_.cost_nano),
          .is_known = cost_known_,
          .tentative = tentative,
          .passed = passed_,
          .now = now_};
}

BudgetGate::Answer BudgetGate::take(core::AccountList& list, bool tentative) noexcept {
  const core::Claim wanted = claim(tentative);
  const auto refused = budget_table().reserve(list, wanted);
  if (!refused) return Answer::kYes;
  list.count = 0;
  refused_.emplace();
  refused_unknown_ = !cost_known_;
  budget_table().copy(*refused, wanted.nano, now_, *refused_);
  return Answer::kNo;
}

BudgetGate::Answer BudgetGate::admit(const core::ProviderConfig& provider,
                                     core::Micros now) noexcept {
  now_ = now;
  outdated_ = now >= database_.budgets.next_boundary.load(std::memory_order_relaxed);
  if (outdated_) return Answer::kAgain;
  provider_ = ProviderName(provider);
  on_request_.count = 0;
  on_key_.count = 0;
  const Answer found = collect(on_request_, 0);
  if (found == Answer::kYes) return take(on_request_, !wish_.lease);
  on_request_.count = 0;
  return found;
}

BudgetGate::Answer BudgetGate::admit_key(std::int64_t key_id) noexcept {
  Answer answer = collect(on_key_, key_id);
  if (answer == Answer::kYes) answer = take(on_key_, !wish_.lease);
  if (answer != Answer::kYes) on_key_.count = 0;
  if (answer != Answer::kNo) return answer;
  lacks_room_ = excluded_.size() == excluded_.capacity();
  if (lacks_room_) return Answer::kAgain;
  excluded_.push_back(key_id);
  wish_.exclude = excluded_;
  return answer;
}

void BudgetGate::give_back() noexcept {
  if (wish_.lease) {
    budget_table().give_back(on_request_.view(), wish_.cost_nano);
    budget_table().give_back(on_key_.view(), wish_.cost_nano);
  }
  on_request_.count = 0;
  on_key_.count = 0;
}

void BudgetGate::write_to(core::Lease& lease) const noexcept {
  lease.account_count = 0;
  for (const core::AccountList* list : {&on_request_, &on_key_}) {
    for (const core::AccountRef& ref : list->view()) lease.accounts[lease.account_count++] = ref;
  }
}

bool BudgetGate::fall_back() {
  if (!refused_) return false;
  const core::BudgetConfig budget = refused_->budget;
  std::string objection = budget_objection(*refused_, claim(true).nano, refused_unknown_);
  if (objections_.empty() || objections_.back() != objection) {
    objections_.push_back(std::move(objection));
  }
  if (budget.action != core::BudgetAction::kFallback) return false;
  passed_.push_back(budget.id);
  if (budget.fallback_model_size != 0) {
    fallback_model_ = budget.fallback_model_view();
    excluded_.clear();
    excluded_.shrink_to_fit();
    wish_.exclude = request_.wish.exclude;
  } else if (budget.scope == core::BudgetScope::kUser) {
    skipped_owners_ |= 1u << static_cast<int>(core::OwnerKind::kUser);
  } else if (budget.scope == core::BudgetScope::kOrganization) {
    skipped_owners_ |= 1u << static_cast<int>(core::OwnerKind::kOrganization);
  } else {
    // Another key has been looked for already, another provider is the caller's to go on to.
    goes_on_ |= budget.scope == core::BudgetScope::kProvider;
    return false;
  }
  refused_.reset();
  return true;
}

core::Error BudgetGate::refusal() const {
  return budget_refusal(*refused_, claim(true).nano, refused_unknown_, asked_provider_,
                        wish_.model);
}

std::optional<BudgetGate::Objection> BudgetGate::objection(std::int64_t key_id) {
  find_name();
  now_ = now();
  core::AccountList list;
  for (;;) {
    Answer answer = Answer::kYes;
    {
      const pg::SharedGuard guard(budget_lock());
      answer = collect(list, key_id);
      if (answer == Answer::kYes) answer = take(list, true);
    }
    if (answer == Answer::kYes) return std::nullopt;
    if (answer == Answer::kNo) {
      return Objection{budget_objection(*refused_, claim(true).nano, refused_unknown_),
                       refused_->free_at};
    }
    load();
  }
}

}  // namespace keypool::store
