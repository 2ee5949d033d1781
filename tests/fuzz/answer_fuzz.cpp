// Judging a provider's answer never fails, keeps its bounds, and never lets the sent key through.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/answer.hpp"

namespace {

using namespace keypool::core;

constexpr Micros kNow = 9'000 * kDay;
constexpr std::string_view kSecret = "my.odd/secret";

void require(bool kept) {
  if (!kept) std::abort();
}

}  // namespace

// Input: the status's line, the error type's line, the retry-after's line, then the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&rest] {
    const std::size_t end = rest.find('\n');
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return text;
  };
  int status = 0;
  for (const char c : line().substr(0, 4)) status = status * 10 + (c - '0');
  const std::string_view error_type = line();
  const HeaderField headers[] = {{"retry-after", line()}};
  const Verdict verdict = classify(Answer{.http_status = status,
                                          .error_type = error_type,
                                          .body = rest,
                                          .headers = headers,
                                          .known_secret = kSecret},
                                   kNow);
  require(verdict.failure <= FailureClass::kUnknown);
  require(!verdict.retry_at || (*verdict.retry_at >= kNow && *verdict.retry_at <= kNow + kDay));
  require(verdict.code.size() <= 64 && verdict.message.size() <= 200);
  require(verdict.code.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") ==
          std::string::npos);
  require(verdict.message.find(kSecret) == std::string::npos);
  return 0;
}
