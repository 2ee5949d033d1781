// One object of log_requests(jsonb): its members by the arguments of log_request that they stand
// for.
//
// Numbers may come as numbers or as texts, texts as texts or as numbers (a bigint user_id), null
// means not given. Texts and the object are looked at in place; what must be converted is palloc'd.
// Throws kInvalidArgument, naming the member, and PgError when a text is no number or time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "api/request_arguments.hpp"
#include "pg/datum.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

class RequestObject {
 public:
  // An element of a jsonb array, which outlives this object.
  explicit RequestObject(const JsonbValue& element);

  std::string_view required(int argument) const;
  template <typename T>
  std::optional<T> get(int argument) const;
  std::optional<Datum> numeric(int argument) const;
  std::optional<Datum> json(int argument) const;

 private:
  void take(const JsonbValue& name, const JsonbValue& value);
  const JsonbValue* given(int argument) const;
  std::string_view scalar(int argument, const char* expected) const;
  std::optional<std::int64_t> whole(int argument) const;

  std::array<JsonbValue, kRequestArguments> values_;
  std::array<bool, kRequestArguments> present_ = {};
};

}  // namespace keypool::api
