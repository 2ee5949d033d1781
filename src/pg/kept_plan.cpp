#include "pg/kept_plan.hpp"

#include <vector>

#include "pg/postgres.hpp"

namespace keypool::pg {

KeptPlan::KeptPlan(Session&, const char* sql, std::span<const Oid> types) {
  plan_ = call([&] {
    SPIPlanPtr plan =
        SPI_prepare(sql, static_cast<int>(types.size()), const_cast<Oid*>(types.data()));
    if (plan == nullptr) elog(ERROR, "SPI failed: %s", SPI_result_code_string(SPI_result));
    SPI_keepplan(plan);
    return plan;
  });
}

KeptPlan::~KeptPlan() { SPI_freeplan(plan_); }

Rows KeptPlan::run(Session&, std::span<const NullableValue> values) const {
  std::vector<Datum> datums;
  std::vector<char> nulls;
  for (const NullableValue& value : values) {
    datums.push_back(value.datum);
    nulls.push_back(value.is_null ? 'n' : ' ');
  }
  SPIPlanPtr plan = plan_;
  Datum* first = datums.data();
  const char* first_null = nulls.data();
  call([=] {
    const int outcome =
        SPI_execute_plan(plan, first, first_null, /*read_only=*/false, /*tcount=*/0);
    if (outcome < 0) elog(ERROR, "SPI failed: %s", SPI_result_code_string(outcome));
  });
  return Rows(SPI_tuptable, SPI_processed);
}

}  // namespace keypool::pg
