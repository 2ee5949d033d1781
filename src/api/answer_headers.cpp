#include "api/answer_headers.hpp"

#include <utility>

#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::size_t kMaxDepth = 4;

}  // namespace

AnswerHeaders::AnswerHeaders(const std::optional<pg::Json>& document) {
  if (!document) return;
  auto parsed = core::parse_json(document->text, kMaxDepth);
  if (!parsed || !parsed->is(core::JsonValue::Kind::kObject)) {
    throw core::Error(core::ErrorCode::kInvalidArgument, "headers must be a JSON object", {},
                      "Pass the answer's headers as {\"retry-after\": \"30\", …}.");
  }
  root_ = std::move(*parsed);
  for (std::size_t i = 0; i < root_.names.size(); ++i) add(root_.names[i], root_.items[i]);
}

void AnswerHeaders::add(std::string_view name, const core::JsonValue& value) {
  if (value.is(core::JsonValue::Kind::kString) || value.is(core::JsonValue::Kind::kNumber)) {
    fields_.push_back({name, value.text});
  } else if (value.is(core::JsonValue::Kind::kArray)) {
    for (const core::JsonValue& item : value.items) add(name, item);
  }
}

}  // namespace keypool::api
