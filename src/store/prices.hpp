// What the tokens of a model cost at a moment, by keypool.model_prices.
//
// Remembered in this process, for so many models at a time, until a change of the table is
// committed (or made by this very transaction, or rolled back): its trigger queues the relation's
// invalidation message, which Postgres delivers at all these moments. What is not remembered takes
// two looks into an index. Another session's change is seen from the next transaction on at the
// latest, at any isolation level. Throws PgError; needs a transaction.
#pragma once

#include <optional>
#include <string_view>

#include "core/price.hpp"
#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// `provider` is its name in the tables, no alias. A price for the model by this very name goes
// before one for its name without the provider: "openai/gpt-4o" of openai is gpt-4o, where the
// price list says nothing else. Nothing when no price is known.
std::optional<core::Price> price_at(std::string_view provider, std::string_view model,
                                    core::Micros at);

}  // namespace keypool::store
