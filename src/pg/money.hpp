// numeric dollars outside, nano-dollars inside: the one place where the two meet.
#pragma once

#include <cstdint>

#include "pg/postgres.hpp"

namespace keypool::pg {

// Rounds to the nearest nano-dollar, half away from zero. Throws core::Error 22023 for NaN,
// infinities and amounts that do not fit; PgError when detoasting fails.
std::int64_t nanos_from_numeric(Datum numeric);

// Exact, without trailing zeros. A Postgres call: only inside pg::call.
Datum numeric_from_nanos(std::int64_t nanos);

}  // namespace keypool::pg
