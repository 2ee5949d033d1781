// The headers of a provider's answer as an application hands them in: a JSON object of texts or
// numbers, or of lists of these. Everything else in it is passed over.
//
// Throws kInvalidArgument when it is no object.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/headers.hpp"
#include "core/json_value.hpp"
#include "pg/datum.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

class AnswerHeaders {
 public:
  explicit AnswerHeaders(const std::optional<pg::Json>& document);
  AnswerHeaders(const AnswerHeaders&) = delete;
  AnswerHeaders& operator=(const AnswerHeaders&) = delete;

  // Live as long as this object.
  std::span<const core::HeaderField> fields() const { return fields_; }

 private:
  void add(std::string_view name, const core::JsonValue& value);

  core::JsonValue root_;
  std::vector<core::HeaderField> fields_;
};

}  // namespace keypool::api
