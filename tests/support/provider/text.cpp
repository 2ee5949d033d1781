#include "text.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>

namespace stand_in {

namespace {

constexpr std::size_t kShortestHintedKey = 12;

std::string formatted_time(Seconds wait, const char* format) {
  const std::time_t moment = std::time(nullptr) + static_cast<std::time_t>(wait.count());
  std::tm parts{};
  gmtime_r(&moment, &parts);
  std::array<char, 64> buffer{};
  // The process never calls setlocale, so %a and %b are the English names HTTP asks for.
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), format, &parts)};
}

// splitmix64: spreads a counter over 64 bits. Ids must differ, they need not be unguessable.
std::uint64_t next_random() {
  static std::atomic<std::uint64_t> state{static_cast<std::uint64_t>(std::time(nullptr)) << 20};
  std::uint64_t bits = state.fetch_add(0x9e3779b97f4a7c15U, std::memory_order_relaxed);
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

}  // namespace

std::string hint_of(std::string_view key) {
  if (key.size() < kShortestHintedKey) return "...";
  return std::string(key.substr(0, 3)) + "..." + std::string(key.substr(key.size() - 4));
}

std::string http_date_in(Seconds wait) { return formatted_time(wait, "%a, %d %b %Y %H:%M:%S GMT"); }

std::string rfc3339_in(Seconds wait) { return formatted_time(wait, "%Y-%m-%dT%H:%M:%SZ"); }

std::string random_hex(std::size_t length) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(length);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < length; ++i) {
    if (i % 16 == 0) bits = next_random();
    text.push_back(kDigits[bits & 15U]);
    bits >>= 4;
  }
  return text;
}

std::string text_of(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace stand_in
