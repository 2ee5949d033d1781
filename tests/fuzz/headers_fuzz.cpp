// Reading rate limits never fails, never gives a negative count or a moment out of bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "core/headers.hpp"

namespace {

using namespace keypool::core;

constexpr Micros kNow = 9'000 * kDay;

void require_count(const std::optional<std::int64_t>& count) {
  if (count && *count < 0) std::abort();
}

void require_moment(const std::optional<Micros>& at) {
  if (at && (*at < kNow || *at > kNow + kLongestWait)) std::abort();
}

}  // namespace

// Input: lines of "name:value".
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<HeaderField> headers;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() == rest.size() ? line.size() : line.size() + 1);
    const std::size_t colon = line.find(':');
    const std::string_view value =
        colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    headers.push_back({line.substr(0, colon), value});
  }
  const RateLimits limits = read_rate_limits(headers, kNow);
  require_count(limits.limit_requests);
  require_count(limits.remaining_requests);
  require_count(limits.limit_tokens);
  require_count(limits.remaining_tokens);
  require_moment(limits.reset_requests_at);
  require_moment(limits.reset_tokens_at);
  require_moment(limits.retry_at);
  require_moment(reset_of_tightest(limits));
  return 0;
}
