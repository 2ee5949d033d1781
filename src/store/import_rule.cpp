#include "store/import_rule.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Both live as long as the process.
constinit std::shared_ptr<ImportRule>* remembered = nullptr;
constinit pg::KeptPlan* version_query = nullptr;

core::Error import_gone(std::int64_t import_id) {
  return {core::ErrorCode::kNotReady,
          "import " + std::to_string(import_id) + " is not in keypool.request_imports",
          {},
          "Drop the trigger, or import the table with follow => true again."};
}

}  // namespace

ImportRule::Version ImportRule::version_of(std::int64_t import_id) {
  pg::Session session;
  if (version_query == nullptr) {
    const Oid types[] = {INT8OID};
    version_query = new pg::KeptPlan(
        session, "SELECT row_version, state = 'done' FROM keypool.request_imports WHERE id = $1",
        types);
  }
  const pg::NullableValue values[] = {{pg::to_datum(import_id), false}};
  const pg::Rows rows = version_query->run(session, values);
  if (rows.empty()) throw import_gone(import_id);
  return {rows.get<std::int32_t>(0, 0), rows.get<bool>(0, 1)};
}

std::shared_ptr<ImportRule> ImportRule::read(std::int64_t import_id) {
  pg::Session session;
  const pg::Rows rows = session.run(
      "SELECT row_statements, row_columns FROM keypool.request_imports WHERE id = $1", import_id);
  if (rows.empty()) throw import_gone(import_id);
  auto rule = std::make_shared<ImportRule>();
  rule->import_id_ = import_id;
  const auto statements = rows.get<std::vector<std::string_view>>(0, 0);
  std::copy_n(statements.begin(), std::min<std::size_t>(statements.size(), kCount),
              rule->statements_.begin());
  for (const auto column : rows.get<std::vector<std::string_view>>(0, 1)) {
    rule->columns_.emplace_back(column);
  }
  return rule;
}

std::shared_ptr<ImportRule> ImportRule::of(std::int64_t import_id) {
  if (remembered == nullptr) remembered = new std::shared_ptr<ImportRule>;
  std::shared_ptr<ImportRule>& rule = *remembered;
  const Version version = version_of(import_id);
  const bool known =
      rule && rule->import_id_ == import_id && rule->version_.number == version.number;
  if (!known) rule = read(import_id);
  rule->version_ = version;
  return rule;
}

const pg::KeptPlan& ImportRule::plan(pg::Session& session, Statement statement) {
  if (plans_[statement] == nullptr) {
    plans_[statement] =
        std::make_unique<pg::KeptPlan>(session, statements_[statement].c_str(), types_);
  }
  return *plans_[statement];
}

std::optional<std::string> ImportRule::apply(std::span<const Oid> types,
                                             std::span<const pg::NullableValue> values) {
  if (!std::equal(types.begin(), types.end(), types_.begin(), types_.end())) {
    types_.assign(types.begin(), types.end());
    for (auto& plan : plans_) plan.reset();
  }
  pg::Session session;
  if (!version_.is_complete) plan(session, kNote).run(session, values);
  if (plan(session, kCopy).run(session, values).affected() != 0) return std::nullopt;
  const pg::Rows reason = plan(session, kReason).run(session, values);
  return reason.get<std::string>(0, 0);
}

void list_followed_refusal(std::int64_t import_id, std::optional<std::vector<std::string_view>> key,
                           std::string_view reason) {
  pg::Session session;
  session.run(
      "INSERT INTO keypool.request_import_refusals (import_id, source_key, reason, followed)"
      " SELECT i.id, $2, $3, true FROM keypool.request_imports i WHERE i.id = $1",
      import_id, key, reason);
}

}  // namespace keypool::store
