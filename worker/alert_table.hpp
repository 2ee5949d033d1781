// keypool.alerts, and what the judgement of alerts reads from the tables.
//
// Raising and clearing tells whoever listens on `keypool_alerts`, by a JSON object, when the
// transaction commits, and notes for each webhook that is to be told that it is. Each function
// needs a transaction that acts as the tables' owner; throws PgError.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/alert_rules.hpp"
#include "core/alert_words.hpp"
#include "worker/alert_facts.hpp"

namespace keypool::worker {

// Those of the kinds that core::AlertKind knows.
core::OpenAlerts read_open_alerts();

// Facts of keys that are not in the pool, as they were last written down: users' keys out of use.
// Left out are keys that are revoked or gone.
std::vector<std::pair<std::string, core::OwnerFact>> read_stored_keys(
    const std::vector<std::int64_t>& ids);  // with the provider's name

// When those keys were made; core::kNever for those that are gone.
KeyAges read_key_ages(const std::vector<std::int64_t>& ids);

// Left out are keys that are revoked or gone.
using KeyLabels = std::unordered_map<std::int64_t, core::KeyLabel>;
KeyLabels read_key_labels(const std::vector<std::int64_t>& ids);

struct NewAlert {
  core::AlertIdentity identity;
  core::Severity severity;
  std::string provider;  // empty: none
  std::int64_t key_id;   // 0: none
  core::AlertText text;
};
// An alert that is open already stays as it is.
void raise_alerts(const std::vector<NewAlert>& alerts);
void clear_alerts(const std::vector<std::int64_t>& ids);
// They last.
void touch_alerts(const std::vector<std::int64_t>& ids);

}  // namespace keypool::worker
