#include "worker/rotation_watch.hpp"

#include <algorithm>
#include <string_view>

#include "pg/spi.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

#define KEYPOOL_WITH_INTERVAL                                                     \
  " FROM keypool.api_keys k JOIN keypool.providers p ON p.name = k.provider"      \
  " WHERE k.rotation_interval IS NOT NULL AND k.revoked_at IS NULL AND k.enabled" \
  " AND p.enabled AND coalesce(k.expires_at > now(), true)"

constexpr const char* kOverdue =
    "SELECT k.id, k.provider, k.key_source, coalesce(k.rotated_at, k.created_at),"
    " k.rotation_interval" KEYPOOL_WITH_INTERVAL
    " AND coalesce(k.rotated_at, k.created_at) + k.rotation_interval <= clock_timestamp()"
    " ORDER BY coalesce(k.rotated_at, k.created_at) + k.rotation_interval, k.id LIMIT $1";

constexpr const char* kNext =
    "SELECT min(coalesce(k.rotated_at, k.created_at) + k.rotation_interval)" KEYPOOL_WITH_INTERVAL
    " AND coalesce(k.rotated_at, k.created_at) + k.rotation_interval > clock_timestamp()";

#undef KEYPOOL_WITH_INTERVAL

core::OwnerKind owner_kind(std::string_view text) {
  for (const auto kind : {core::OwnerKind::kUser, core::OwnerKind::kOrganization}) {
    if (text == core::name(kind)) return kind;
  }
  return core::OwnerKind::kSystem;
}

}  // namespace

core::Micros RotationWatch::next_due(core::Micros now) const noexcept {
  const bool changed = !looked_ || database_.epochs.of_keys() != epoch_;
  return changed ? std::max(now, looked_ ? not_before_ : now) : std::max(next_key_, not_before_);
}

void RotationWatch::look(core::Micros now) {
  // First: what happens from here on calls for another look.
  const std::uint64_t epoch = database_.epochs.of_keys();
  pg::Session session;
  const pg::Rows rows = session.run(kOverdue, kMostFacts);
  facts_.clear();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    facts_.push_back({.key_id = rows.get<std::int64_t>(row, 0),
                      .provider = rows.get<std::string>(row, 1),
                      .owner = owner_kind(rows.get<std::string_view>(row, 2)),
                      .secret_since = rows.get<pg::Instant>(row, 3).value,
                      .interval = rows.get<pg::Duration>(row, 4).value});
  }
  const auto next = session.run(kNext).optional<pg::Instant>(0, 0);
  next_key_ = next ? next->value : core::kNever;
  looked_ = true;
  epoch_ = epoch;
  not_before_ = now + kPause;
}

}  // namespace keypool::worker
