#include "core/budget_table.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <mutex>
#include <new>

namespace keypool::core {

namespace {

constexpr std::uint32_t bucket_count(std::uint32_t accounts) { return accounts + accounts / 2 + 1; }

std::int64_t sum_of(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return std::numeric_limits<std::int64_t>::max();
}

std::uint32_t bit_of(BudgetScope scope) noexcept { return 1u << static_cast<int>(scope); }

}  // namespace

// What a subject has of the budgets for each: one of its own replaces those of the same period.
class ShareOfEach {
 public:
  ShareOfEach(const Database& database, BudgetScope scope) noexcept
      : for_each_(database.budgets.for_each[static_cast<int>(scope)]) {}

  void see(const BudgetConfig& budget) noexcept {
    if (!budget.for_each) own_ |= 1u << static_cast<int>(budget.period);
  }
  bool is_replaced(const BudgetConfig& budget) const noexcept {
    return budget.for_each && (own_ >> static_cast<int>(budget.period) & 1) != 0;
  }
  std::uint32_t size() const noexcept {
    std::uint32_t sum = 0;
    for (std::size_t period = 0; period < kBudgetPeriods; ++period) {
      if ((own_ >> period & 1) == 0) sum += for_each_[period];
    }
    return sum;
  }

 private:
  const std::uint32_t (&for_each_)[kBudgetPeriods];
  std::uint32_t own_ = 0;  // a bit for each period
};

bool BudgetConfig::counts_as(const BudgetConfig& other) const noexcept {
  return scope == other.scope && for_each == other.for_each && period == other.period &&
         step == other.step && steps == other.steps && subject_view() == other.subject_view();
}

std::size_t BudgetTable::bytes_for(std::uint32_t accounts) {
  return sizeof(BudgetTable) + sizeof(Account) * accounts +
         sizeof(std::uint32_t) * bucket_count(accounts);
}

BudgetTable* BudgetTable::create(void* zeroed, std::uint32_t accounts) {
  auto* table = new (zeroed) BudgetTable;
  table->size_ = accounts;
  table->free_ = 0;
  for (std::uint32_t i = 0; i < accounts; ++i) {
    table->accounts()[i].budget = kNone;
    table->accounts()[i].next = i + 1 < accounts ? i + 1 : kNone;
  }
  std::fill_n(table->buckets(), bucket_count(accounts), kNone);
  return table;
}

Account* BudgetTable::accounts() const noexcept {
  auto* base = reinterpret_cast<std::byte*>(const_cast<BudgetTable*>(this));
  return reinterpret_cast<Account*>(base + sizeof(BudgetTable));
}

std::uint32_t* BudgetTable::buckets() const noexcept {
  return reinterpret_cast<std::uint32_t*>(accounts() + size_);
}

std::uint64_t BudgetTable::hash_of(std::uint32_t database, BudgetScope scope,
                                   std::string_view subject) noexcept {
  const std::uint64_t place = (std::uint64_t{database} << 3) | static_cast<std::uint64_t>(scope);
  const std::uint64_t mixed = (text_hash(subject) ^ place) * 0x9e3779b97f4a7c15;
  return mixed ^ (mixed >> 29);
}

// --- looking up

// The subject is compared in full: a collision must never charge somebody else.
std::uint32_t BudgetTable::matching(std::uint32_t account, std::uint64_t hash,
                                    std::uint32_t database, BudgetScope scope,
                                    std::string_view subject) const noexcept {
  for (; account != kNone; account = accounts()[account].next) {
    const Account& found = accounts()[account];
    if (found.hash != hash || found.subject_view() != subject) continue;
    const BudgetConfig& budget = budgets_[found.budget];
    if (budget.database == database && budget.scope == scope) break;
  }
  return account;
}

std::uint32_t BudgetTable::first_of(const Database& database, BudgetScope scope,
                                    std::string_view subject) const noexcept {
  const std::uint32_t oid = database.oid.load(std::memory_order_relaxed);
  const std::uint64_t hash = hash_of(oid, scope, subject);
  return matching(buckets()[hash % bucket_count(size_)], hash, oid, scope, subject);
}

std::uint32_t BudgetTable::next_of(std::uint32_t account, const Database& database,
                                   BudgetScope scope, std::string_view subject) const noexcept {
  const Account& present = accounts()[account];
  return matching(present.next, present.hash, database.oid.load(std::memory_order_relaxed), scope,
                  subject);
}

bool BudgetTable::is_usable(const Account& account, const AccountMoment& at) const noexcept {
  return account.is_loaded && account.epoch == at.epoch && account.load_began >= at.oldest_load &&
         account.spending.starts() == budgets_[account.budget].starts;
}

ShareOfEach BudgetTable::share_of(const Database& database, BudgetScope scope,
                                  std::string_view subject) const noexcept {
  ShareOfEach share(database, scope);
  if (share.size() == 0) return share;
  for (std::uint32_t i = first_of(database, scope, subject); i != kNone;
       i = next_of(i, database, scope, subject)) {
    share.see(budgets_[accounts()[i].budget]);
  }
  return share;
}

bool BudgetTable::are_usable(const AccountList& list, const AccountMoment& at) noexcept {
  for (const AccountRef& ref : list.view()) {
    Account& account = accounts()[ref.place];
    if (account.generation != ref.generation || !is_usable(account, at)) return false;
    if (!account.recent.load(std::memory_order_relaxed)) account.recent.store(true);
  }
  return true;
}

void BudgetTable::collect(const Database& database, BudgetScope scope, std::string_view subject,
                          const AccountMoment& at, AccountList& list) noexcept {
  if ((database.budgets.scopes.load(std::memory_order_relaxed) & bit_of(scope)) == 0) return;
  const ShareOfEach share = share_of(database, scope, subject);
  std::uint32_t of_each = 0;
  for (std::uint32_t i = first_of(database, scope, subject); i != kNone;
       i = next_of(i, database, scope, subject)) {
    Account& account = accounts()[i];
    const BudgetConfig& budget = budgets_[account.budget];
    if (share.is_replaced(budget)) continue;
    of_each += budget.for_each ? 1 : 0;
    // Written only when it says something new: others are reading the same line.
    if (!account.recent.load(std::memory_order_relaxed)) account.recent.store(true);
    list.incomplete |= !is_usable(account, at);
    if (list.count == list.accounts.size()) {
      list.overflow = true;
      return;
    }
    AccountRef* place = list.accounts.data() + list.count++;
    for (; place != list.accounts.data() && place[-1].place > i; --place) *place = place[-1];
    *place = {i, account.generation};
  }
  list.incomplete |= of_each < share.size();
}

BudgetTable::Presence BudgetTable::presence(const Database& database, BudgetScope scope,
                                            std::string_view subject, const AccountMoment& at,
                                            Micros since) noexcept {
  Presence all = Presence::kUsable;
  const ShareOfEach share = share_of(database, scope, subject);
  std::uint32_t of_each = 0;
  for (std::uint32_t i = first_of(database, scope, subject); i != kNone;
       i = next_of(i, database, scope, subject)) {
    Account& account = accounts()[i];
    const BudgetConfig& budget = budgets_[account.budget];
    if (share.is_replaced(budget)) continue;
    of_each += budget.for_each ? 1 : 0;
    const std::lock_guard lock(account.lock);
    if (is_usable(account, at)) continue;
    const bool under_way =
        !account.is_loaded && account.epoch == at.epoch && account.load_began >= since;
    if (!under_way) return Presence::kLacking;
    all = Presence::kLoading;
  }
  return of_each >= share.size() ? all : Presence::kLacking;
}

const Account* BudgetTable::account(AccountRef ref) const noexcept {
  const Account& found = accounts()[ref.place];
  return found.budget != kNone && found.generation == ref.generation ? &found : nullptr;
}

bool BudgetTable::copy(AccountRef ref, std::int64_t wanted_nano, Micros now,
                       AccountFigures& figures) noexcept {
  if (account(ref) == nullptr) return false;
  Account& found = accounts()[ref.place];
  figures.budget = budgets_[found.budget];
  figures.subject_size = found.subject_size;
  figures.subject = found.subject;
  figures.is_current = true;
  const std::lock_guard lock(found.lock);
  figures.spent_nano = found.spending.total(now);
  figures.reserved_nano = found.reserved_nano;
  const std::int64_t room = figures.budget.limit_nano - wanted_nano;
  figures.free_at = room < 0 ? kNever : figures.budget.ends;
  if (figures.budget.step != 0 && room >= found.reserved_nano) {
    figures.free_at = found.spending.falls_to(now, room - found.reserved_nano);
  }
  return true;
}

// --- reserving and settling

std::optional<AccountRef> BudgetTable::reserve(const AccountList& list,
                                               const Claim& claim) noexcept {
  const auto refuses = [&](Account& account) {
    const BudgetConfig& budget = budgets_[account.budget];
    const auto& passed = claim.passed;
    if (budget.action == BudgetAction::kWarn) return false;
    if (std::find(passed.begin(), passed.end(), budget.id) != passed.end()) return false;
    if (!claim.is_known && !budget.fails_open) return true;
    const std::int64_t taken = sum_of(account.spending.total(claim.now), account.reserved_nano);
    return claim.nano > budget.limit_nano || taken > budget.limit_nano - claim.nano;
  };
  std::optional<AccountRef> refused;
  for (const AccountRef& ref : list.view()) accounts()[ref.place].lock.lock();
  for (const AccountRef& ref : list.view()) {
    if (!refuses(accounts()[ref.place])) continue;
    refused = ref;
    break;
  }
  for (const AccountRef& ref : list.view()) {
    Account& account = accounts()[ref.place];
    if (!refused && !claim.tentative) {
      account.reserved_nano = sum_of(account.reserved_nano, claim.nano);
    }
    account.lock.unlock();
  }
  return refused;
}

void BudgetTable::give_back(std::span<const AccountRef> given, std::int64_t nano) noexcept {
  for (const AccountRef& ref : given) {
    if (account(ref) == nullptr) continue;
    Account& found = accounts()[ref.place];
    const std::lock_guard lock(found.lock);
    found.reserved_nano = std::max<std::int64_t>(0, found.reserved_nano - nano);
  }
}

void BudgetTable::add(Account& account, Micros at, std::int64_t nano, Micros now,
                      std::uint64_t seen_from, std::int64_t released) noexcept {
  const std::lock_guard lock(account.lock);
  account.reserved_nano = std::max<std::int64_t>(0, account.reserved_nano - released);
  if (seen_from != 0 && account.load >= seen_from) return;
  account.spending.add(at, nano, now);
}

// --- loading

bool BudgetTable::begin_load(const Database& database, BudgetScope scope, std::string_view subject,
                             const AccountMoment& at, std::uint64_t load,
                             AccountList& begun) noexcept {
  const std::uint32_t oid = database.oid.load(std::memory_order_relaxed);
  const ShareOfEach share = share_of(database, scope, subject);
  if (share.size() != 0) {
    for (std::uint32_t i = 0; i < kMaxBudgets; ++i) {
      const BudgetConfig& budget = budgets_[i];
      if (budget.database != oid || budget.scope != scope || !budget.for_each) continue;
      if (share.is_replaced(budget)) continue;
      std::uint32_t present = first_of(database, scope, subject);
      while (present != kNone && accounts()[present].budget != i) {
        present = next_of(present, database, scope, subject);
      }
      if (present == kNone && make_account(i, subject) == kNone) return false;
    }
  }
  for (std::uint32_t i = first_of(database, scope, subject); i != kNone;
       i = next_of(i, database, scope, subject)) {
    Account& account = accounts()[i];
    if (share.is_replaced(budgets_[account.budget]) || is_usable(account, at)) continue;
    if (begun.count == begun.accounts.size()) {
      begun.overflow = true;
      return true;
    }
    const BudgetConfig& budget = budgets_[account.budget];
    account.spending.begin(budget.starts, budget.ends, budget.step, budget.steps);
    account.is_loaded = false;
    account.load = load;
    account.load_began = at.now;
    account.epoch = at.epoch;
    begun.accounts[begun.count++] = {i, account.generation};
  }
  return true;
}

bool BudgetTable::add_loaded(AccountRef ref, std::uint64_t load, Micros at,
                             std::int64_t nano) noexcept {
  if (account(ref) == nullptr) return false;
  Account& found = accounts()[ref.place];
  const std::lock_guard lock(found.lock);
  if (found.load != load) return false;
  found.spending.add(at, nano, found.load_began);
  return true;
}

bool BudgetTable::end_load(AccountRef ref, std::uint64_t load) noexcept {
  if (account(ref) == nullptr) return false;
  Account& found = accounts()[ref.place];
  const std::lock_guard lock(found.lock);
  if (found.load != load) return false;
  found.is_loaded = true;
  return true;
}

// --- the mirror

std::uint32_t BudgetTable::budget_with(std::uint32_t database, std::int64_t id) const noexcept {
  for (std::uint32_t i = 0; i < kMaxBudgets; ++i) {
    if (budgets_[i].database == database && budgets_[i].id == id) return i;
  }
  return kNone;
}

bool BudgetTable::mirror(Database& database, std::span<const BudgetConfig> budgets,
                         std::uint64_t epoch, Micros next_boundary) noexcept {
  const std::uint32_t oid = database.oid.load();
  const auto others = std::count_if(
      std::begin(budgets_), std::end(budgets_),
      [oid](const BudgetConfig& budget) { return budget.database != 0 && budget.database != oid; });
  if (static_cast<std::size_t>(others) + budgets.size() > kMaxBudgets) return false;

  // Both are in the order of ids, wherever the old ones lie.
  for (auto& periods : database.budgets.for_each)
    std::fill(std::begin(periods), std::end(periods), 0);
  for (std::uint32_t i = 0; i < kMaxBudgets; ++i) {
    BudgetConfig& old = budgets_[i];
    if (old.database != oid) continue;
    const auto found =
        std::lower_bound(budgets.begin(), budgets.end(), old.id,
                         [](const BudgetConfig& row, std::int64_t id) { return row.id < id; });
    const bool stays = found != budgets.end() && found->id == old.id && found->counts_as(old);
    if (!stays) drop_accounts_of(i);
    if (!stays) old.database = 0;
  }
  std::uint32_t scopes = 0;
  std::uint32_t free = 0;
  for (const BudgetConfig& row : budgets) {
    std::uint32_t entry = budget_with(oid, row.id);
    const bool is_new = entry == kNone;
    if (is_new) {
      while (budgets_[free].database != 0) ++free;
      entry = free;
    }
    budgets_[entry] = row;
    scopes |= bit_of(row.scope);
    if (row.for_each)
      ++database.budgets.for_each[static_cast<int>(row.scope)][static_cast<int>(row.period)];
    if (is_new && !row.for_each && make_account(entry, row.subject_view()) == kNone) {
      return false;
    }
  }
  database.budgets.budgets.store(static_cast<std::uint32_t>(budgets.size()));
  database.budgets.scopes.store(scopes);
  database.budgets.next_boundary.store(next_boundary);
  database.budgets.loaded.store(epoch);
  return true;
}

void BudgetTable::forget(Database& database) noexcept {
  database.budgets.budgets.store(0);
  database.budgets.scopes.store(0);
  const std::uint32_t oid = database.oid.load();
  for (std::uint32_t i = 0; i < kMaxBudgets; ++i) {
    if (budgets_[i].database != oid) continue;
    drop_accounts_of(i);
    budgets_[i].database = 0;
  }
}

// --- entries

std::uint32_t BudgetTable::make_account(std::uint32_t budget, std::string_view subject) noexcept {
  const std::uint32_t entry = take_entry();
  if (entry == kNone) return kNone;
  Account& account = accounts()[entry];
  const BudgetConfig& config = budgets_[budget];
  account.budget = budget;
  account.hash = hash_of(config.database, config.scope, subject);
  account.load = 0;
  account.is_loaded = false;
  account.recent.store(true);
  account.reserved_nano = 0;
  account.spending.begin(config.starts, config.ends, config.step, config.steps);
  account.subject_size = static_cast<std::uint8_t>(std::min(subject.size(), kMaxSubject));
  std::copy_n(subject.begin(), account.subject_size, account.subject.begin());
  std::uint32_t& bucket = buckets()[account.hash % bucket_count(size_)];
  account.next = bucket;
  bucket = entry;
  return entry;
}

// A free entry, or that of an account that has not been used since the search last came by. What is
// of a single budget stays, and so does what holds a reservation.
std::uint32_t BudgetTable::take_entry() noexcept {
  for (std::uint32_t looked = 0; free_ == kNone && looked < 2 * size_; ++looked) {
    Account& account = accounts()[hand_];
    const bool was_recent = account.recent.exchange(false);
    const bool may_go =
        budgets_[account.budget].for_each && account.reserved_nano == 0 && !was_recent;
    if (may_go) drop_account(hand_);
    hand_ = (hand_ + 1) % size_;
  }
  const std::uint32_t entry = free_;
  if (entry != kNone) free_ = accounts()[entry].next;
  return entry;
}

void BudgetTable::drop_account(std::uint32_t entry) noexcept {
  Account& account = accounts()[entry];
  std::uint32_t* link = &buckets()[account.hash % bucket_count(size_)];
  while (*link != entry) link = &accounts()[*link].next;
  *link = account.next;
  account.budget = kNone;
  ++account.generation;
  account.next = free_;
  free_ = entry;
}

void BudgetTable::drop_accounts_of(std::uint32_t budget) noexcept {
  for (std::uint32_t i = 0; i < size_; ++i) {
    if (accounts()[i].budget == budget) drop_account(i);
  }
}

}  // namespace keypool::core
