// Going through the whole log in steps, a batch of rows at a time: what backfill_requests and
// reprice_requests share. Throws core::Error and PgError.
#pragma once

#include <cstdint>

#include "pg/args.hpp"
#include "pg/result.hpp"
#include "pg/spi.hpp"

namespace keypool::api {

// 22023 unless there are rows in a batch.
void check_batch(std::int32_t batch);

// Answers with rows of (step text, rows bigint).
Datum answer_steps(const pg::Args& args, const pg::Rows& rows);

}  // namespace keypool::api
