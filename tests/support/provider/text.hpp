// Small texts the answers are made of: masked keys, dates, random ids, JSON as bytes.
//
// Pure but for the clock and the id counter (atomic); safe from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace stand_in {

using Seconds = std::chrono::seconds;

// "sk-...wxyz": enough to tell keys apart in a record, useless to a thief. A key too short to
// lose most of itself that way becomes "...".
std::string hint_of(std::string_view key);

// "Fri, 21 Nov 2025 03:04:05 GMT", that far from now (RFC 9110 calls it IMF-fixdate).
std::string http_date_in(Seconds wait);

// "2025-11-21T03:04:05Z", that far from now.
std::string rfc3339_in(Seconds wait);

// `length` characters of [0-9a-f], different at every call.
std::string random_hex(std::size_t length);

// Never throws on bytes that are not UTF-8: a request may carry anything and be quoted.
std::string text_of(const nlohmann::json& document);

}  // namespace stand_in
