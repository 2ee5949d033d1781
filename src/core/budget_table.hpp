// Budgets and the running sums of their spending, in one block of shared memory.
//
// A budget is a row of keypool.budgets as it was mirrored last. An account is the sum of one budget
// for one subject; a budget for each ('*') has as many as there are subjects in use, but for those
// who have a budget of their own for the same period. What is
// settled comes from the request log, what is reserved from leases; a reservation never carries
// the two past the limit of a budget that refuses.
//
// Locking is the caller's: everything that looks up, reserves or settles holds the table's lock
// shared, everything that says so in its comment holds it exclusively. Within the shared lock an
// account's sums are guarded by its own spinlock; of several accounts they are taken in the order
// of their places. Nothing here allocates, throws or calls Postgres.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/budget.hpp"
#include "core/lease.hpp"
#include "core/pool.hpp"
#include "core/spending.hpp"
#include "core/spinlock.hpp"

namespace keypool::core {

inline constexpr std::uint32_t kMaxBudgets = 8192;  // over all databases
inline constexpr std::size_t kMaxBudgetName = 63;
inline constexpr std::size_t kMaxFallbackModel = 127;
inline constexpr std::size_t kMaxSubject = 255;

// What the table says.
struct BudgetConfig {
  std::uint32_t database;  // 0: the entry is free
  std::int64_t id;
  std::int64_t limit_nano;
  Micros starts;  // of the period that runs; of a rolling one as far back as there is time
  Micros ends;    // kNever: it does not
  Micros step;    // of a rolling window, else 0
  std::int32_t steps;
  BudgetScope scope;
  BudgetPeriod period;
  BudgetAction action;
  bool for_each;
  bool fails_open;
  std::uint8_t name_size;
  std::uint8_t subject_size;
  std::uint8_t fallback_model_size;
  std::array<char, kMaxBudgetName> name;
  std::array<char, kMaxSubject> subject;  // unless it is for each
  std::array<char, kMaxFallbackModel> fallback_model;

  std::string_view name_view() const noexcept { return {name.data(), name_size}; }
  std::string_view subject_view() const noexcept { return {subject.data(), subject_size}; }
  std::string_view fallback_model_view() const noexcept {
    return {fallback_model.data(), fallback_model_size};
  }
  // Whether it is about the same spending, so that its sums stay.
  bool counts_as(const BudgetConfig& other) const noexcept;
};

struct Account {
  SpinLock lock;
  std::uint32_t budget;      // kNone: the entry is free
  std::uint32_t next;        // the chain of the index, or of free entries
  std::uint32_t generation;  // moves whenever the entry becomes another account
  std::uint64_t hash;
  std::uint64_t epoch;          // of epochs.budgets, when its load began
  std::uint64_t load;           // the number of that load
  std::atomic<bool> is_loaded;  // what was spent before the load began is in the sum
  std::atomic<bool> recent;     // asked for since an idle one was last looked for
  Micros load_began;
  std::int64_t reserved_nano;
  Spending spending;
  std::uint8_t subject_size;
  std::array<char, kMaxSubject> subject;

  std::string_view subject_view() const noexcept { return {subject.data(), subject_size}; }
};

// The accounts that one request is counted on, each once, in the order of their places.
struct AccountList {
  std::array<AccountRef, kMaxAccountsOfLease> accounts;
  std::uint8_t count = 0;
  bool incomplete = false;  // some are not there, or not loaded
  bool overflow = false;    // there are more than a request may have

  std::span<const AccountRef> view() const noexcept { return {accounts.data(), count}; }
};

// One account as it stands, copied.
struct AccountFigures {
  BudgetConfig budget;
  std::uint8_t subject_size;
  std::array<char, kMaxSubject> subject;
  bool is_current;  // else what is spent is that of a period that is over, or not known yet
  std::int64_t spent_nano;
  std::int64_t reserved_nano;
  Micros free_at;  // when the clock alone makes room for what was asked; kNever: it does not

  std::string_view subject_view() const noexcept { return {subject.data(), subject_size}; }
};

struct AccountMoment {
  Micros now;
  std::uint64_t epoch;  // an account of an older one is not loaded
  Micros oldest_load;   // one that was loaded before has to be loaded again
};

// What is to be reserved.
struct Claim {
  std::int64_t nano;
  bool is_known;                         // else budgets that fail closed refuse
  bool tentative;                        // only look whether it would go
  std::span<const std::int64_t> passed;  // ids of budgets that are not asked
  Micros now;
};

class ShareOfEach;

class BudgetTable {
 public:
  static std::size_t bytes_for(std::uint32_t accounts);
  static BudgetTable* create(void* zeroed, std::uint32_t accounts);

  // Adds to the list those accounts on which a budget of that scope counts the subject.
  void collect(const Database& database, BudgetScope scope, std::string_view subject,
               const AccountMoment& at, AccountList& list) noexcept;

  // Whether a list that was collected under the same epoch is still complete and good.
  bool are_usable(const AccountList& list, const AccountMoment& at) noexcept;

  // How it stands with the accounts that collect() finds incomplete.
  enum class Presence { kUsable, kLoading, kLacking };
  // kLoading: what is not usable is being loaded by somebody who began not before `since`.
  Presence presence(const Database& database, BudgetScope scope, std::string_view subject,
                    const AccountMoment& at, Micros since) noexcept;

  // Reserves the amount on all accounts, or on none when one refuses; then answers which one.
  std::optional<AccountRef> reserve(const AccountList& list, const Claim& claim) noexcept;
  // Gives back what a lease reserved; entries that have become other accounts are passed over.
  void give_back(std::span<const AccountRef> accounts, std::int64_t nano) noexcept;

  // A logged request: adds to every account of that scope and subject which its load has not seen.
  // `seen_from`: the first load that has seen it, 0: none. What a lease had reserved on the account
  // may be given back in the same step: released(ref) answers how much.
  template <typename Released>
  void settle(const Database& database, BudgetScope scope, std::string_view subject, Micros at,
              std::int64_t nano, Micros now, std::uint64_t seen_from, Released released) noexcept {
    for (std::uint32_t i = first_of(database, scope, subject); i != kNone;
         i = next_of(i, database, scope, subject)) {
      Account& account = accounts()[i];
      add(account, at, nano, now, seen_from, released(AccountRef{i, account.generation}));
    }
  }

  // False: that entry is another account by now.
  bool copy(AccountRef ref, std::int64_t wanted_nano, Micros now, AccountFigures& figures) noexcept;
  // Calls each(figures) for all accounts of a database.
  template <typename Each>
  void for_each(const Database& database, const AccountMoment& at, Each each) {
    AccountFigures figures;
    for (std::uint32_t i = 0; i < size_; ++i) {
      const Account& account = accounts()[i];
      if (account.budget == kNone || budgets_[account.budget].database != database.oid) continue;
      if (!copy({i, account.generation}, 0, at.now, figures)) continue;
      figures.is_current = is_usable(account, at);
      each(figures);
    }
  }

  // --- with the lock held exclusively

  // Replaces what is known of the database's budgets; false: more than there is room for.
  bool mirror(Database& database, std::span<const BudgetConfig> budgets, std::uint64_t epoch,
              Micros next_boundary) noexcept;
  // Makes the accounts that are missing for the subject, and begins a load of those that are not
  // loaded, which are added to `begun`. False: no entry is free.
  bool begin_load(const Database& database, BudgetScope scope, std::string_view subject,
                  const AccountMoment& at, std::uint64_t load, AccountList& begun) noexcept;
  void forget(Database& database) noexcept;

  // --- with it held shared again: what was spent before the load began, piece by piece. False: a
  // later load has begun, to which it is left.
  bool add_loaded(AccountRef ref, std::uint64_t load, Micros at, std::int64_t nano) noexcept;
  bool end_load(AccountRef ref, std::uint64_t load) noexcept;
  const Account* account(AccountRef ref) const noexcept;
  const BudgetConfig& budget_of(const Account& account) const noexcept {
    return budgets_[account.budget];
  }

 private:
  static std::uint64_t hash_of(std::uint32_t database, BudgetScope scope,
                               std::string_view subject) noexcept;
  std::uint32_t first_of(const Database& database, BudgetScope scope,
                         std::string_view subject) const noexcept;
  std::uint32_t next_of(std::uint32_t account, const Database& database, BudgetScope scope,
                        std::string_view subject) const noexcept;
  std::uint32_t matching(std::uint32_t account, std::uint64_t hash, std::uint32_t database,
                         BudgetScope scope, std::string_view subject) const noexcept;
  ShareOfEach share_of(const Database& database, BudgetScope scope,
                       std::string_view subject) const noexcept;
  bool is_usable(const Account& account, const AccountMoment& at) const noexcept;
  void add(Account& account, Micros at, std::int64_t nano, Micros now, std::uint64_t seen_from,
           std::int64_t released) noexcept;
  std::uint32_t budget_with(std::uint32_t database, std::int64_t id) const noexcept;
  std::uint32_t make_account(std::uint32_t budget, std::string_view subject) noexcept;
  std::uint32_t take_entry() noexcept;
  void drop_account(std::uint32_t account) noexcept;
  void drop_accounts_of(std::uint32_t budget) noexcept;

  // Both follow the table in its block.
  Account* accounts() const noexcept;
  std::uint32_t* buckets() const noexcept;

  std::uint32_t size_;
  std::uint32_t free_;  // the chain of free entries
  std::uint32_t hand_;  // where the search for an idle account goes on
  BudgetConfig budgets_[kMaxBudgets];
};

}  // namespace keypool::core
