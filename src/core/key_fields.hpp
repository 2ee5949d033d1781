// What may be said of a key besides its secret, and what each part may be.
//
// Checked before anything is written, so that a caller reads what was wrong instead of the name of
// a constraint; the table's own CHECKs guard plain UPDATEs. Texts are views of the caller's. Pure:
// any thread, no lock. Throws kInvalidArgument, naming the argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/time.hpp"

namespace keypool::core {

inline constexpr std::size_t kMaxRegionSize = 31;
inline constexpr std::size_t kMaxModelSize = 255;

struct KeyFields {  // empty: not given
  std::optional<std::string_view> name;
  std::optional<std::string_view> user_id;
  std::optional<std::string_view> organization_id;
  std::optional<std::int32_t> rate_limit;  // requests an hour
  std::optional<std::int32_t> requests_per_minute;
  std::optional<std::int32_t> tokens_per_minute;
  std::optional<std::int32_t> max_concurrency;
  std::optional<std::int64_t> daily_cost_limit_nano;
  std::optional<double> weight;
  std::optional<std::vector<std::string_view>> models;
  std::optional<std::string_view> region;
  std::optional<std::string_view> base_url;
  std::optional<Micros> expires_at;
  std::optional<bool> enabled;
  std::optional<Micros> rotation_interval;
};

// Who a key belongs to, as tables and envelopes say it.
struct KeyOwner {
  std::string_view kind;  // "user", "organization" or "system"
  std::string_view id;    // empty for system
};

// The user, else the organization, else the system.
KeyOwner owner_of(const KeyFields& fields) noexcept;

void check_key_fields(const KeyFields& fields);

}  // namespace keypool::core
