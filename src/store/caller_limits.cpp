#include "store/caller_limits.hpp"

#include <array>

#include "core/error.hpp"
#include "pg/lwlock.hpp"
#include "store/caller_meters.hpp"
#include "store/no_key.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

using Asked = std::span<const core::LimitedCaller>;

std::string quoted(const core::Caller& caller) {
  return std::string(core::name(caller.scope)) + " \"" + std::string(caller.name) + '"';
}

core::Error limit_exceeded(const core::Caller& caller, const core::CallerStop& stop) {
  const bool of_minute = stop.span == core::kMinute;
  const std::string limit = std::to_string(stop.limit);
  return {core::ErrorCode::kLimitExceeded,
          quoted(caller) + " has reached its limit of " + limit + " picks " +
              (of_minute ? "a minute" : "an hour"),
          std::to_string(stop.used) + " of " + limit + " picks were made within the last " +
              (of_minute ? "minute." : "hour."),
          free_again("The next pick", stop.free_at)};
}

core::Error no_meter() {
  return {core::ErrorCode::kConfigurationLimit, "too many callers with a limit are active",
          "Each of " + std::to_string(caller_meters().capacity()) +
              " callers has made picks that its limit still counts.",
          "Raise keypool.max_budget_accounts and restart the server, or limit by the minute and "
          "not by the hour."};
}

core::CallerVerdict count(Asked callers) {
  core::CallerMeters& meters = caller_meters();
  {
    const pg::SharedGuard guard(caller_meters_lock());
    const core::CallerVerdict verdict = meters.admit(callers, now());
    if (verdict.admission != core::Admission::kNoMeter) return verdict;
  }
  const pg::ExclusiveGuard guard(caller_meters_lock());
  if (!meters.add(callers, now())) throw no_meter();
  return meters.admit(callers, now());
}

CallerUsage usage_of(core::CallerReading& reading, core::Micros at) {
  CallerUsage usage = {reading.scope,
                       std::move(reading.name),
                       {},
                       reading.counts.minute.count(at),
                       reading.counts.hour.count(at),
                       {}};
  usage.limit = caller_limit(usage.scope, usage.name);
  const core::CallerStop stop = reading.counts.stop(usage.limit, at);
  if (stop.span != 0) usage.free_at = stop.free_at;
  return usage;
}

}  // namespace

void detail::admit_limited_caller(std::string_view user) {
  std::array<core::LimitedCaller, core::kCallerScopes> callers;
  std::size_t limited = 0;
  const auto add = [&](core::CallerScope scope, std::string_view name, core::CallerLimit limit) {
    if (!limit) return;
    callers[limited++] = {{MyDatabaseId, caller_limits_table(), scope, name}, limit};
  };
  const LimitedRole role = limited_role();
  add(core::CallerScope::kRole, role.name, role.limit);
  if (!user.empty())
    add(core::CallerScope::kUser, user, caller_limit(core::CallerScope::kUser, user));
  if (limited == 0) return;
  const core::CallerVerdict verdict = count({callers.data(), limited});
  if (verdict.admission == core::Admission::kAdmitted) [[likely]]
    return;
  throw limit_exceeded(callers[verdict.caller].caller, verdict.stop);
}

std::vector<CallerUsage> caller_usage() {
  std::vector<core::CallerReading> readings;
  const Oid installation = caller_limits_table();
  {
    const pg::SharedGuard guard(caller_meters_lock());
    readings = caller_meters().readings(MyDatabaseId, installation);
  }
  std::vector<CallerUsage> found;
  for (core::CallerReading& reading : readings) {
    CallerUsage usage = usage_of(reading, now());
    if (usage.limit) found.push_back(std::move(usage));
  }
  return found;
}

}  // namespace keypool::store
