// A statement that is planned once a session and run often, with parameters whose types are known
// only when it is made.
//
// Postgres plans it anew by itself when a table changes. Make it under the role it runs as. run()
// sees what this transaction has written so far. Everything throws PgError.
#pragma once

#include <span>

#include "pg/datum.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

class KeptPlan {
 public:
  KeptPlan(Session& session, const char* sql, std::span<const Oid> types);
  KeptPlan(const KeptPlan&) = delete;
  KeptPlan& operator=(const KeptPlan&) = delete;
  ~KeptPlan();

  Rows run(Session& session, std::span<const NullableValue> values) const;

 private:
  SPIPlanPtr plan_;
};

}  // namespace keypool::pg
