// What a commit does with the requests its transaction logged; store/request_usage.hpp decides
// when.
#pragma once

#include "core/pending_usage.hpp"

namespace keypool::store {

// Before the commit, while things may still fail: brings the keys into the pool. A key that cannot
// be there (it is new in this very transaction, revoked, or there are too many) has its share added
// to its row in keypool.key_state. Throws PgError.
void prepare_settlement(core::PendingUsage& pending);

// After the commit has become visible. `known_budgets` as for settle_budgets.
void settle_pending(core::PendingUsage& pending, std::uint64_t known_budgets) noexcept;

}  // namespace keypool::store
