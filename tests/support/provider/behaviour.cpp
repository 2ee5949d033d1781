#include "behaviour.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

namespace stand_in {

namespace {

using nlohmann::json;

constexpr std::string_view kRedirectPrefix = "/redirect-target/";
constexpr std::int64_t kLongestWaitMs = 24LL * 3600 * 1000;
constexpr std::int64_t kMostBytes = 1LL << 32;

constexpr std::array<std::pair<std::string_view, Kind>, 20> kKinds = {{
    {"ok", Kind::kOk},
    {"slow", Kind::kOk},  // well, but late: "slow" only demands that `ms` is given
    {"refuse", Kind::kRefuse},
    {"echo", Kind::kEcho},
    {"permission", Kind::kPermission},
    {"restricted", Kind::kRestricted},
    {"rate_limit", Kind::kRateLimit},
    {"quota", Kind::kQuota},
    {"overloaded", Kind::kOverloaded},
    {"error", Kind::kError},
    {"model_not_found", Kind::kModelNotFound},
    {"region_blocked", Kind::kRegionBlocked},
    {"bad_request", Kind::kBadRequest},
    {"hang", Kind::kHang},
    {"drop", Kind::kDrop},
    {"garbage", Kind::kGarbage},
    {"huge", Kind::kHuge},
    {"redirect", Kind::kRedirect},
    {"endless_headers", Kind::kEndlessHeaders},
    {"slow_body", Kind::kSlowBody},
}};

constexpr std::array<std::pair<std::string_view, RetryForm>, 6> kForms = {{
    {"seconds", RetryForm::kSeconds},
    {"date", RetryForm::kDate},
    {"ms", RetryForm::kMilliseconds},
    {"retry_delay", RetryForm::kRetryDelay},
    {"reset", RetryForm::kReset},
    {"none", RetryForm::kNone},
}};

template <typename Table>
auto look_up(const Table& table, const std::string& name, std::string_view what) {
  const auto* found =
      std::ranges::find(table, std::string_view(name), [](const auto& row) { return row.first; });
  if (found == table.end()) throw ControlError("unknown " + std::string(what) + ": " + name);
  return found->second;
}

// Takes the fields of one description and notices those that nobody asked for: a misspelt field
// must fail the test that sent it, not quietly mean its default.
class Fields {
 public:
  explicit Fields(const json& description) : description_(description) {}

  std::int64_t integer(const char* name, std::int64_t fallback, std::int64_t low,
                       std::int64_t high) {
    const json* value = take(name);
    if (value == nullptr) return fallback;
    if (!value->is_number_integer() || *value < low || *value > high) {
      throw ControlError(std::string(name) + " must be an integer from " + std::to_string(low) +
                         " to " + std::to_string(high));
    }
    return value->get<std::int64_t>();
  }

  double number(const char* name, double fallback, double high) {
    const json* value = take(name);
    if (value == nullptr) return fallback;
    if (!value->is_number() || *value < 0 || *value > high) {
      throw ControlError(std::string(name) + " must be a number from 0 to " + std::to_string(high));
    }
    return value->get<double>();
  }

  std::string text(const char* name, std::string fallback) {
    const json* value = take(name);
    if (value == nullptr) return fallback;
    if (!value->is_string()) throw ControlError(std::string(name) + " must be a text");
    return value->get<std::string>();
  }

  void reject_others() const {
    for (const auto& [name, value] : description_.items()) {
      if (!taken_.contains(name)) throw ControlError("this kind has no field " + name);
    }
  }

 private:
  const json* take(const char* name) {
    taken_.insert(name);
    const auto found = description_.find(name);
    return found == description_.end() ? nullptr : &*found;
  }

  const json& description_;
  std::set<std::string> taken_;
};

void parse_wait(Fields& fields, double fallback_seconds, Behaviour& behaviour) {
  const double seconds =
      fields.number("retry_after", fallback_seconds, static_cast<double>(kLongestWaitMs) / 1000);
  behaviour.retry_after_ms = std::llround(seconds * 1000);
  const std::string form = fields.text("form", "");
  if (!form.empty()) behaviour.form = look_up(kForms, form, "form");
}

void parse_status(Fields& fields, int fallback, std::initializer_list<int> allowed,
                  Behaviour& behaviour) {
  behaviour.status = static_cast<int>(fields.integer("status", fallback, 200, 599));
  if (allowed.size() != 0 && std::ranges::find(allowed, behaviour.status) == allowed.end()) {
    throw ControlError("this kind does not answer with status " + std::to_string(behaviour.status));
  }
}

void parse_redirect(Fields& fields, Behaviour& behaviour) {
  parse_status(fields, 302, {301, 302, 303, 307, 308}, behaviour);
  behaviour.to = fields.text("to", std::string(kRedirectPrefix));
  const std::string_view to = behaviour.to;
  if (!to.starts_with(kRedirectPrefix) && !to.starts_with("http://127.0.0.1:")) {
    throw ControlError("to must be a path under " + std::string(kRedirectPrefix) +
                       " or an address of this machine");
  }
}

void parse_quota(Fields& fields, Behaviour& behaviour) {
  const std::string form = fields.text("form", "");
  if (!form.empty() && form != "billing_limit") throw ControlError("unknown form: " + form);
  behaviour.billing_limit = !form.empty();
}

void parse_bytes(Fields& fields, const char* name, std::int64_t fallback, Behaviour& behaviour) {
  behaviour.bytes = static_cast<std::uint64_t>(fields.integer(name, fallback, 1, kMostBytes));
}

void parse_own_fields(Fields& fields, Behaviour& behaviour) {
  switch (behaviour.kind) {
    case Kind::kRateLimit:
      return parse_wait(fields, 30, behaviour);
    case Kind::kOverloaded:
      return parse_wait(fields, 5, behaviour);
    case Kind::kQuota:
      return parse_quota(fields, behaviour);
    case Kind::kError:
      return parse_status(fields, 500, {408, 410, 500, 502, 503, 504}, behaviour);
    case Kind::kGarbage:
      return parse_status(fields, 200, {}, behaviour);
    case Kind::kRedirect:
      return parse_redirect(fields, behaviour);
    case Kind::kHuge:
      return parse_bytes(fields, "bytes", 50LL << 20, behaviour);
    case Kind::kEndlessHeaders:
      return parse_bytes(fields, "bytes", 8LL << 20, behaviour);
    case Kind::kSlowBody:
      return parse_bytes(fields, "bytes_per_second", 16, behaviour);
    default:
      return;
  }
}

}  // namespace

Behaviour parse_behaviour(const json& description) {
  if (description.is_string()) return parse_behaviour(json{{"kind", description}});
  if (!description.is_object()) throw ControlError("a behaviour is a name or an object");
  Fields fields(description);
  const std::string name = fields.text("kind", "");
  Behaviour behaviour;
  behaviour.kind = look_up(kKinds, name, "kind of behaviour");
  behaviour.after_ms = fields.integer("ms", 0, 0, kLongestWaitMs);
  if (name == "slow" && behaviour.after_ms == 0) throw ControlError("slow needs ms");
  parse_own_fields(fields, behaviour);
  fields.reject_others();
  return behaviour;
}

}  // namespace stand_in
