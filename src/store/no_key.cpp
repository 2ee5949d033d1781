#include "store/no_key.hpp"

#include <algorithm>
#include <map>

#include "core/unknown_provider.hpp"
#include "pg/guard.hpp"
#include "pg/lwlock.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Those that have the same reason: how many, and which of them frees itself first.
struct Alike {
  int count = 0;
  const Candidate* first = nullptr;
};

std::string in_words(const std::string& reason, const Alike& alike) {
  std::string figures = core::figures_text(alike.first->standing);
  if (!alike.first->objection.empty()) figures = alike.first->objection;
  const std::string text = std::to_string(alike.count) + " " + reason;
  if (figures.empty()) return text;
  return text + " (key " + std::to_string(alike.first->key_id) + ": " + figures + ")";
}

std::string whose_keys(const PickRequest& request) {
  const bool has_user = !request.user.empty();
  const bool has_organization = !request.organization.empty();
  std::string text = "There is no key ";
  if (has_user) text += "of user \"" + std::string(request.user) + "\"";
  if (has_user) text += has_organization ? ", " : " or ";
  if (has_organization) {
    text += "of organization \"" + std::string(request.organization) + "\" or ";
  }
  return text + "of the system for this provider.";
}

}  // namespace

std::string counted_by_reason(const std::vector<Candidate>& candidates) {
  std::map<std::string, Alike> reasons;
  for (const Candidate& candidate : candidates) {
    Alike& alike = reasons[reason_of(candidate)];
    ++alike.count;
    const bool sooner =
        alike.first == nullptr || candidate.standing.free_at < alike.first->standing.free_at;
    if (sooner) alike.first = &candidate;
  }
  std::string text = std::to_string(candidates.size()) +
                     (candidates.size() == 1 ? " candidate: " : " candidates: ");
  bool first = true;
  for (const auto& [reason, alike] : reasons) {
    if (!first) text += ", ";
    first = false;
    text += in_words(reason, alike);
  }
  return text + ".";
}

std::string second_of(core::Micros moment) {
  const core::Micros second = (moment + core::kSecond - 1) / core::kSecond * core::kSecond;
  return pg::call([second] { return timestamptz_to_str(second); });
}

std::string free_again(std::string_view what, core::Micros free_at) {
  const core::Micros seconds = std::max<core::Micros>(1, (free_at - now()) / core::kSecond);
  return std::string(what) + " is free again at " + second_of(free_at) + ", in " +
         std::to_string(seconds) + " s.";
}

std::string reason_of(const Candidate& candidate) {
  std::string text(core::describe(candidate.standing.blocked));
  const bool has_cause = candidate.standing.blocked == core::Blocked::kCooling ||
                         candidate.standing.blocked == core::Blocked::kUnhealthy;
  if (has_cause && candidate.failure != core::FailureClass::kNone) {
    text += " (" + std::string(core::name(candidate.failure)) + ")";
  }
  return text;
}

std::string explanation_of(const Candidate& candidate) {
  if (!candidate.objection.empty()) return candidate.objection;
  const std::string figures = core::figures_text(candidate.standing);
  std::string text = reason_of(candidate);
  if (!figures.empty()) text += " (" + figures + ")";
  const core::Micros free_at = candidate.standing.free_at;
  return free_at == core::kNever ? text : text + " until " + second_of(free_at);
}

core::Error no_key_available(const PickRequest& request, const std::vector<Candidate>& candidates) {
  const std::string provider(request.provider);
  const std::string message = "no key available for provider \"" + provider + "\"";
  if (candidates.empty()) {
    return {core::ErrorCode::kNoKeyAvailable, message, whose_keys(request),
            "Add one with add_key('" + provider + "', …)."};
  }
  core::Micros free_at = core::kNever;
  for (const Candidate& candidate : candidates) {
    free_at = std::min(free_at, candidate.standing.free_at);
  }
  return {core::ErrorCode::kNoKeyAvailable, message, counted_by_reason(candidates),
          free_at == core::kNever
              ? "None frees itself with time: explain_pick shows each key, rotate_key or check_key "
                "brings one back, add_key adds one."
              : free_again("The earliest", free_at)};
}

core::Error unknown_provider(core::Database& database, std::string_view asked) {
  std::vector<std::string> known;
  {
    const pg::SharedGuard guard(pool_lock());
    for (std::uint32_t i = 0; i < core::kMaxProviders; ++i) {
      const core::ProviderConfig& config = pool().provider(i).config;
      if (config.database == database.oid.load()) known.emplace_back(config.name_view());
    }
  }
  return core::unknown_provider(asked, known);
}

core::Error leases_full() {
  return {core::ErrorCode::kConfigurationLimit, "too many leases are in flight",
          std::to_string(pool().leases().size()) + " leases are held and none has expired.",
          "Settle leases with release_key when their request is over, lower "
          "keypool.lease_timeout, or raise keypool.max_leases and restart the server."};
}

}  // namespace keypool::store
