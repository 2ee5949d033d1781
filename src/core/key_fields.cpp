#include "core/key_fields.hpp"

#include <algorithm>
#include <string>

#include "core/ascii.hpp"
#include "core/envelope.hpp"
#include "core/error.hpp"
#include "core/provider.hpp"
#include "core/slot.hpp"

namespace keypool::core {
namespace {

constexpr double kLeastWeight = 0.001;
constexpr double kMostWeight = 1000;
constexpr std::int64_t kMostDailyCost = 1'000'000'000'000'000'000;  // a billion dollars, excluded

[[noreturn]] void refuse(std::string_view argument, const std::string& expected) {
  throw Error(ErrorCode::kInvalidArgument, std::string(argument) + " must " + expected);
}

void check_text(std::string_view argument, std::optional<std::string_view> text, std::size_t most) {
  if (!text) return;
  if (text->empty()) refuse(argument, "not be empty");
  if (text->size() > most)
    refuse(argument, "not be longer than " + std::to_string(most) + " bytes; it has " +
                         std::to_string(text->size()));
}

void check_limit(std::string_view argument, std::optional<std::int32_t> limit) {
  if (limit && *limit <= 0) refuse(argument, "be above zero, or not given for no limit");
}

void check_models(const std::vector<std::string_view>& models) {
  if (models.empty() || models.size() > kMaxModelRules)
    refuse("models", "name 1 to " + std::to_string(kMaxModelRules) +
                         " models (\"gpt-4*\" stands for all that begin so), or not be given to "
                         "allow all");
  for (const std::string_view model : models) check_text("models", model, kMaxModelSize);
}

void check_url(std::optional<std::string_view> url) {
  if (!url) return;
  check_text("base_url", url, kMaxBaseUrl);
  const std::size_t scheme = url->starts_with("https://") ? 8 : url->starts_with("http://") ? 7 : 0;
  const bool blank = std::any_of(url->begin(), url->end(), is_space);
  if (scheme == 0 || url->size() == scheme || blank)
    refuse("base_url", "begin with https:// or http:// and hold no white space");
  const std::string_view authority =
      url->substr(scheme, url->find_first_of("/?#", scheme) - scheme);
  // URLs are shown and logged, by us and by everybody on the way.
  if (authority.find('@') != std::string_view::npos) refuse("base_url", "hold no credentials");
}

}  // namespace

KeyOwner owner_of(const KeyFields& fields) noexcept {
  if (fields.user_id) return {"user", *fields.user_id};
  if (fields.organization_id) return {"organization", *fields.organization_id};
  return {"system", {}};
}

void check_key_fields(const KeyFields& fields) {
  check_text("name", fields.name, kMaxKeyName);
  check_text("user_id", fields.user_id, kMaxOwnerSize);
  check_text("organization_id", fields.organization_id, kMaxOwnerSize);
  check_limit("rate_limit", fields.rate_limit);
  check_limit("requests_per_minute", fields.requests_per_minute);
  check_limit("tokens_per_minute", fields.tokens_per_minute);
  check_limit("max_concurrency", fields.max_concurrency);
  const auto cost = fields.daily_cost_limit_nano;
  if (cost && (*cost <= 0 || *cost >= kMostDailyCost))
    refuse("daily_cost_limit", "be above zero and below a billion dollars, or not given");
  // Written so that NaN is refused too.
  if (fields.weight && !(*fields.weight >= kLeastWeight && *fields.weight <= kMostWeight))
    refuse("weight", "be between 0.001 and 1000");
  if (fields.models) check_models(*fields.models);
  check_text("region", fields.region, kMaxRegionSize);
  check_url(fields.base_url);
  if (fields.rotation_interval && *fields.rotation_interval <= 0)
    refuse("rotation_interval", "be above zero, or not given for no reminder");
}

}  // namespace keypool::core
