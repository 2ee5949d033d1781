// Reads the document that import_keys takes: providers with their keys, models and rotation, and
// the global settings, as a YAML file of that shape becomes as JSON.
//
// Structure that makes no sense throws Error(kInvalidArgument) with the path of the place. A fault
// inside one key is kept in that key instead, so that one bad key does not stop the rest. Members
// nobody knows are listed, not refused. No message or path ever holds a value, and a member's
// name is scrubbed before it is shown. null means "not given" everywhere.
// Only the shape and simple ranges are checked here; whether a provider exists or an interval can
// be read is for those who use the values. Pure: any thread, no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace keypool::core {

inline constexpr std::size_t kMostImportBytes = 32 * 1024 * 1024;
inline constexpr std::size_t kMostImportKeys = 10'000;
inline constexpr std::size_t kMostIgnored = 100;  // further unknown members are not listed

struct ImportedKey {
  std::string path;   // "providers.openai.api_keys[0]"
  std::string fault;  // empty: usable; else path and reason, and nothing else of the key counts
  Secret secret;      // wiped with the key
  std::optional<std::string> name;
  std::optional<std::int32_t> rate_limit;  // requests an hour
  std::optional<std::int32_t> requests_per_minute;
  std::optional<std::int32_t> tokens_per_minute;
  std::optional<std::int32_t> max_concurrency;
  std::optional<std::string> cost_limit;  // dollars a day, as it was written: for numeric
  std::optional<double> weight;
  std::optional<bool> enabled;
  std::optional<std::vector<std::string>> models;
  std::optional<std::string> region;
  std::optional<std::string> base_url;
  std::optional<std::string> user_id;  // a whole number is taken as its text
  std::optional<std::string> organization_id;
  std::optional<std::string> expires_at;
};

struct ImportedModel {
  std::string name;
  std::optional<std::string> input_cost_per_1k_tokens;  // dollars, as written
  std::optional<std::string> output_cost_per_1k_tokens;
  std::optional<std::string> cached_input_cost_per_1k_tokens;
  std::optional<std::int32_t> max_tokens;
  std::optional<bool> enabled;
};

struct ImportedRotation {
  std::optional<std::string> strategy;
  std::optional<std::string> interval;
  std::optional<bool> health_check;
  std::optional<bool> fallback_enabled;
};

struct ImportedProvider {
  std::string name;
  std::vector<ImportedKey> keys;
  std::vector<ImportedModel> models;
  ImportedRotation rotation;
};

struct ImportedGlobal {
  std::optional<std::vector<std::string>> fallback_chain;
  std::optional<std::int32_t> global_rate_limit;
  std::optional<std::string> daily_cost_limit;      // dollars, as written
  std::optional<std::string> cost_alert_threshold;  // a share, as written
  std::optional<std::string> default_rotation_strategy;
  std::optional<std::string> health_check_interval;
  std::optional<std::string> key_timeout;
};

struct ImportDocument {
  std::vector<ImportedProvider> providers;  // in the document's order
  ImportedGlobal global;
  std::vector<std::string> ignored;  // paths of unknown members
};

ImportDocument parse_import_document(std::string_view json);

}  // namespace keypool::core
