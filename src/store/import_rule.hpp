// What the trigger of an import does with a new row: the statements that 36_functions_import_
// statements.sql has made for it, planned once a session.
//
// A rule is read anew when its import's version says so, and planned anew when the columns have
// other types. All of it as the tables' owner; throws PgError, and kNotReady when the import is no
// more.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pg/kept_plan.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

class ImportRule {
 public:
  // Shared with whoever is just using it: to show a value as text may insert into another source.
  // The last one is remembered.
  static std::shared_ptr<ImportRule> of(std::int64_t import_id);

  // Of the source, in the order of apply()'s values.
  const std::vector<std::string>& columns() const noexcept { return columns_; }

  // Copies a row. Why it did not, else nothing.
  std::optional<std::string> apply(std::span<const Oid> types,
                                   std::span<const pg::NullableValue> values);

 private:
  enum Statement : std::size_t { kCopy, kReason, kNote, kCount };

  struct Version {
    std::int32_t number;
    bool is_complete;  // the import has passed all keys that it will
  };
  static Version version_of(std::int64_t import_id);
  static std::shared_ptr<ImportRule> read(std::int64_t import_id);

  const pg::KeptPlan& plan(pg::Session& session, Statement statement);

  std::int64_t import_id_ = 0;
  Version version_ = {};
  std::array<std::string, kCount> statements_;
  std::vector<std::string> columns_;
  std::vector<Oid> types_;
  std::array<std::unique_ptr<pg::KeptPlan>, kCount> plans_;
};

// Refuses a row of its source, by the row's key.
void list_followed_refusal(std::int64_t import_id, std::optional<std::vector<std::string_view>> key,
                           std::string_view reason);

}  // namespace keypool::store
