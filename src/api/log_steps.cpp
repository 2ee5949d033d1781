#include "api/log_steps.hpp"

#include <string>

#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

void check_batch(std::int32_t batch) {
  if (batch >= 1) return;
  throw core::Error(core::ErrorCode::kInvalidArgument, "batch must be at least 1",
                    "It is " + std::to_string(batch) + ".",
                    "It says how many rows to look at in one statement; 10000 suits most.");
}

Datum answer_steps(const pg::Args& args, const pg::Rows& rows) {
  pg::RowSet steps(args);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    steps.add(rows.get<std::string_view>(i, 0), rows.get<std::int64_t>(i, 1));
  }
  return steps.finish();
}

}  // namespace keypool::api
