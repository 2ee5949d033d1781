#include "store/rows.hpp"

#include <algorithm>
#include <cstring>

#include "core/limits_text.hpp"
#include "core/model_blocks.hpp"
#include "pg/money.hpp"
#include "store/columns.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/date.h"
}

namespace keypool::store {

namespace {

// At most `capacity` elements of a text[], which is not NULL.
template <typename Each>
void for_each_text(Datum array, std::size_t capacity, Each each) {
  Datum* elements = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls,
                    &count);
  for (int i = 0; i < count && static_cast<std::size_t>(i) < capacity; ++i) {
    if (nulls[i]) continue;
    const text* element = DatumGetTextPP(elements[i]);
    each(std::string_view(VARDATA_ANY(element), VARSIZE_ANY_EXHDR(element)));
  }
}

template <std::size_t kSize>
std::uint8_t copy_text(std::string_view text, std::array<char, kSize>& into) {
  const std::size_t size = std::min(text.size(), kSize);
  std::copy_n(text.begin(), size, into.begin());
  return static_cast<std::uint8_t>(size);
}

core::OwnerKind owner_kind(std::string_view key_source) {
  if (key_source == "user") return core::OwnerKind::kUser;
  return key_source == "organization" ? core::OwnerKind::kOrganization : core::OwnerKind::kSystem;
}

core::KeyState key_state(std::string_view text) {
  for (const auto state :
       {core::KeyState::kCooling, core::KeyState::kUnhealthy, core::KeyState::kHalfOpen}) {
    if (text == core::name(state)) return state;
  }
  return core::KeyState::kHealthy;
}

core::Micros microseconds(Datum interval) {
  const Interval* value = DatumGetIntervalP(interval);
  return value->time + (value->day + value->month * std::int64_t{30}) * core::kDay;
}

}  // namespace

core::ProviderRow provider_row(const Tuple& tuple) {
  namespace column = provider_column;
  core::ProviderRow row = {};
  core::ProviderConfig& config = row.config;
  config.database = MyDatabaseId;
  config.enabled = tuple.boolean(column::kEnabled);
  config.name_size = copy_text(tuple.text(column::kName), config.name);
  config.base_url_size = copy_text(tuple.text(column::kBaseUrl), config.base_url);
  const auto strategy = core::strategy_from_name(tuple.text(column::kStrategy));
  config.has_strategy = strategy.has_value();
  config.strategy = strategy.value_or(core::Strategy::kRoundRobin);
  config.fallback_order = tuple.is_null(column::kFallbackOrder)
                              ? core::kNoFallback
                              : std::max(0, tuple.int4(column::kFallbackOrder));
  config.rotation_interval = microseconds(tuple.datum(column::kRotationInterval));
  std::size_t names = 0;
  config.names[names++] = core::Pool::provider_name_hash(config.name_view());
  for_each_text(tuple.datum(column::kAliases), core::kMaxAliases, [&](std::string_view alias) {
    const std::uint64_t hash = core::Pool::provider_name_hash(alias);
    if (hash != 0) config.names[names++] = hash;
  });
  return row;
}

core::KeyRow key_row(const Tuple& tuple) {
  namespace column = api_key_column;
  core::KeyRow row = {};
  row.provider = tuple.text(column::kProvider);
  row.kind = owner_kind(tuple.text(column::kKeySource));
  row.owner = tuple.text(column::kOwner);

  core::KeyConfig& config = row.slot.config;
  config.key_id = tuple.int8(column::kId);
  config.enabled = tuple.boolean(column::kEnabled);
  config.expires_at = tuple.time(column::kExpiresAt, core::kNever);
  config.rotated_at = tuple.time(column::kRotatedAt, 0);
  config.weight = tuple.float8(column::kWeight);
  config.limits.requests_per_hour = tuple.int4(column::kRateLimit);
  config.limits.requests_per_minute = tuple.int4(column::kRequestsPerMinute);
  config.limits.tokens_per_minute = tuple.int4(column::kTokensPerMinute);
  config.limits.concurrency = tuple.int4(column::kMaxConcurrency);
  if (!tuple.is_null(column::kDailyCostLimit)) {
    // Under a billion dollars by a CHECK, so it fits; a limit below a nano-dollar is the least.
    config.limits.cost_per_day_nano =
        std::max<std::int64_t>(1, pg::nanos_from_numeric(tuple.datum(column::kDailyCostLimit)));
  }
  config.has_base_url = !tuple.is_null(column::kBaseUrl);
  config.name_size = copy_text(tuple.text(column::kName), config.name);
  if (!tuple.is_null(column::kRegion)) {
    config.region = core::text_hash(tuple.text(column::kRegion));
  }
  if (!tuple.is_null(column::kModels)) {
    std::size_t models = 0;
    for_each_text(tuple.datum(column::kModels), config.models.size(), [&](std::string_view model) {
      config.models[models++] = core::model_rule(model);
    });
  }
  const std::string_view envelope = tuple.text(column::kEnvelope);
  config.envelope_size =
      static_cast<std::uint16_t>(std::min(envelope.size(), config.envelope.size()));
  std::memcpy(config.envelope.data(), envelope.data(), config.envelope_size);
  return row;
}

void restore_state(const Tuple& tuple, core::Slot& slot) {
  namespace column = key_state_column;
  core::Health& health = slot.health;
  health.state = key_state(tuple.text(column::kState));
  health.cooldown_until = tuple.time(column::kCooldownUntil, 0);
  health.failure = core::failure_from_name(tuple.text(column::kFailureClass))
                       .value_or(core::FailureClass::kNone);
  health.last_error_at = tuple.time(column::kLastErrorAt, 0);
  core::read_model_blocks(tuple.text(column::kModelBlocks), health);
  // Half open begins anew, with one probe.
  if (health.state == core::KeyState::kHalfOpen) health.probes_left = 1;

  core::LimitsText::read(tuple.text(column::kLimitCounts), slot);

  core::Usage& usage = slot.usage;
  usage.picks = static_cast<std::uint64_t>(tuple.int8(column::kPicks));
  usage.requests = static_cast<std::uint64_t>(tuple.int8(column::kRequests));
  usage.errors = static_cast<std::uint64_t>(tuple.int8(column::kErrors));
  usage.tokens = static_cast<std::uint64_t>(tuple.int8(column::kTokens));
  usage.cost_nano = tuple.int8(column::kCostNano);
  usage.cost_today_nano = tuple.int8(column::kCostTodayNano);
  usage.cost_day =
      tuple.is_null(column::kCostDay) ? 0 : DatumGetDateADT(tuple.datum(column::kCostDay));
  usage.last_used_at = tuple.time(column::kLastUsedAt, 0);
  usage.last_checked_at = tuple.time(column::kLastCheckedAt, 0);
}

}  // namespace keypool::store
