#include "api/request_object.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "core/scrub.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::size_t kLongestShown = 63;

[[noreturn]] void refuse(int argument, const char* expected) {
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string(kRequestArgumentNames[argument]) + " must be " + expected);
}

// A name of somebody's own could be anything: a secret in it is not repeated.
[[noreturn]] void refuse_unknown(std::string_view name) {
  std::string shown = core::scrub(name);
  core::cut_utf8(shown, kLongestShown);
  throw core::Error(core::ErrorCode::kInvalidArgument, "member \"" + shown + "\" is not known", {},
                    "The members are named like the arguments of log_request.");
}

}  // namespace

RequestObject::RequestObject(const JsonbValue& element) {
  if (element.type != jbvBinary || !JsonContainerIsObject(element.val.binary.data)) {
    throw core::Error(core::ErrorCode::kInvalidArgument, "a request must be a JSON object");
  }
  JsonbContainer* container = element.val.binary.data;
  JsonbIterator* members = pg::call([container] { return JsonbIteratorInit(container); });
  for (;;) {
    JsonbValue name = {};
    JsonbValue value = {};
    const bool more = pg::call([&] {
      JsonbIteratorToken token = JsonbIteratorNext(&members, &name, true);
      if (token == WJB_BEGIN_OBJECT) token = JsonbIteratorNext(&members, &name, true);
      if (token != WJB_KEY) return false;
      JsonbIteratorNext(&members, &value, true);
      return true;
    });
    if (!more) return;
    take(name, value);
  }
}

void RequestObject::take(const JsonbValue& name, const JsonbValue& value) {
  const std::string_view key(name.val.string.val, name.val.string.len);
  const auto found = std::find(kRequestArgumentNames.begin(), kRequestArgumentNames.end(), key);
  if (found == kRequestArgumentNames.end()) refuse_unknown(key);
  if (value.type == jbvNull) return;
  const auto argument = static_cast<std::size_t>(found - kRequestArgumentNames.begin());
  values_[argument] = value;
  present_[argument] = true;
}

const JsonbValue* RequestObject::given(int argument) const {
  return present_[argument] ? &values_[argument] : nullptr;
}

// A text or a number, as text.
std::string_view RequestObject::scalar(int argument, const char* expected) const {
  const JsonbValue& value = values_[argument];
  if (value.type == jbvString) {
    return {value.val.string.val, static_cast<std::size_t>(value.val.string.len)};
  }
  if (value.type != jbvNumeric) refuse(argument, expected);
  return pg::call([&value] {
    return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
  });
}

std::string_view RequestObject::required(int argument) const {
  if (given(argument) == nullptr) refuse(argument, "given");
  return scalar(argument, "a text");
}

// 12.0, as languages without integers write 12, is whole.
std::optional<std::int64_t> RequestObject::whole(int argument) const {
  if (given(argument) == nullptr) return std::nullopt;
  std::string_view text = scalar(argument, "an integer");
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos &&
      text.find_first_not_of('0', point + 1) == std::string_view::npos) {
    text = text.substr(0, point);
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) refuse(argument, "an integer within its range");
  if (error != std::errc() || end != text.data() + text.size()) refuse(argument, "an integer");
  return number;
}

template <>
std::optional<std::string_view> RequestObject::get(int argument) const {
  if (given(argument) == nullptr) return std::nullopt;
  return scalar(argument, "a text");
}

template <>
std::optional<std::int64_t> RequestObject::get(int argument) const {
  return whole(argument);
}

template <>
std::optional<std::int32_t> RequestObject::get(int argument) const {
  const auto number = whole(argument);
  if (!number) return std::nullopt;
  if (*number < std::numeric_limits<std::int32_t>::min() ||
      *number > std::numeric_limits<std::int32_t>::max()) {
    refuse(argument, "an integer within its range");
  }
  return static_cast<std::int32_t>(*number);
}

template <>
std::optional<bool> RequestObject::get(int argument) const {
  const JsonbValue* value = given(argument);
  if (value == nullptr) return std::nullopt;
  if (value->type != jbvBool) refuse(argument, "true or false");
  return value->val.boolean;
}

template <>
std::optional<pg::Instant> RequestObject::get(int argument) const {
  const JsonbValue* value = given(argument);
  if (value == nullptr) return std::nullopt;
  if (value->type != jbvString) refuse(argument, "a text with date and time");
  const std::string_view text = scalar(argument, "a text with date and time");
  return pg::from_datum<pg::Instant>(pg::call([text] {
    return DirectFunctionCall3(timestamptz_in, CStringGetDatum(pnstrdup(text.data(), text.size())),
                               ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  }));
}

std::optional<Datum> RequestObject::numeric(int argument) const {
  const JsonbValue* value = given(argument);
  if (value == nullptr) return std::nullopt;
  if (value->type == jbvNumeric) return NumericGetDatum(value->val.numeric);
  const std::string_view text = scalar(argument, "a number");
  return pg::call([text] {
    return DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(text.data(), text.size())),
                               ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  });
}

std::optional<Datum> RequestObject::json(int argument) const {
  if (given(argument) == nullptr) return std::nullopt;
  JsonbValue value = values_[argument];
  return pg::call([&value] { return JsonbPGetDatum(JsonbValueToJsonb(&value)); });
}

}  // namespace keypool::api
