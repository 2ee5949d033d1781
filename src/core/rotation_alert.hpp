// The reminder that a key's secret is older than its rotation_interval allows: rotation_due, until
// the secret is replaced or the interval changed.
//
// Pure; throws nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <optional>

#include "core/alert_rules.hpp"
#include "core/alert_words.hpp"

namespace keypool::core {

// The alert that should be open for it; `index` is its place in the facts.
std::optional<Cause> judge_rotation(const RotationFact& fact, std::size_t index,
                                    const OpenAlerts& open, Micros now);

AlertText describe_rotation(const RotationFact& fact, const KeyLabel& label, Micros now);

}  // namespace keypool::core
