#include "core/rotation_alert.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "core/phrases.hpp"

namespace keypool::core {

std::optional<Cause> judge_rotation(const RotationFact& fact, std::size_t index,
                                    const OpenAlerts& open, Micros now) {
  if (fact.secret_since + fact.interval > now) return std::nullopt;
  AlertIdentity identity{AlertKind::kRotationDue, "key:" + std::to_string(fact.key_id)};
  const auto shown = severity_to_show(open, identity, Strength::kRaises, Severity::kWarning);
  return Cause{.identity = std::move(identity), .severity = *shown, .rotation = index};
}

AlertText describe_rotation(const RotationFact& fact, const KeyLabel& label, Micros now) {
  const Micros age = now - fact.secret_since;
  AlertText text;
  text.message = "key " + std::to_string(fact.key_id) + " " + fact.provider + "/" + label.name +
                 " (" + label.hint + ") is due for rotation: its secret is " + duration(age) +
                 " old, its rotation_interval is " + duration(fact.interval);
  text.details = nlohmann::json{{"age_seconds", age / kSecond},
                                {"rotation_interval_seconds", fact.interval / kSecond},
                                {"overdue_seconds", (age - fact.interval) / kSecond},
                                {"key_source", name(fact.owner)}}
                     .dump();
  return text;
}

}  // namespace keypool::core
