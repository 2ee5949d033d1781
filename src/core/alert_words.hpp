// An alert in words for people and in figures for programs.
//
// A key is named by id, provider, name and masked hint; nothing here has ever seen a secret. The
// size is bounded by that of its parts: no text of a caller or provider goes in but the short code
// of an error. Pure; throws nothing but std::bad_alloc.
#pragma once

#include <string>

#include "core/alert_rules.hpp"

namespace keypool::core {

// How people know a key, as its row says it.
struct KeyLabel {
  std::string name;
  std::string hint;
};

struct AlertText {
  std::string message;
  std::string details;  // a JSON object
};

// `label` is that of the cause's key, if it has one.
AlertText describe_alert(const Cause& cause, const PoolFacts& facts, const KeyLabel& label,
                         const AlertLimits& limits, Micros now);

}  // namespace keypool::core
