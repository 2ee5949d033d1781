// A JSON document as a tree, read with bounds: for provider answers and the import document.
//
// Differs from nlohmann::json in three ways that matter here: a number keeps the text it was
// written with (money must not pass through a double), nesting is limited while parsing, and no
// access can throw. Plain values: no lock; parse_json throws nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keypool::core {

struct JsonValue {
  enum class Kind : std::uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text;                // a string's value, or a number as it was written
  std::vector<JsonValue> items;    // an array's elements, or the values of an object's members
  std::vector<std::string> names;  // an object's member names: names[i] belongs to items[i]

  bool is(Kind wanted) const noexcept { return kind == wanted; }

  // The member of that name (of several the last, as in jsonb), or nullptr. Chains through
  // anything that is not an object.
  const JsonValue* find(std::string_view name) const noexcept;

  // The text of the string member of that name, or empty.
  std::string_view string_at(std::string_view name) const noexcept;
};

// nullopt: not JSON, not UTF-8, a number beyond double, or nested deeper than max_depth.
std::optional<JsonValue> parse_json(std::string_view text, std::size_t max_depth);

}  // namespace keypool::core
