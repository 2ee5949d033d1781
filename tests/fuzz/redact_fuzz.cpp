// Redaction never fails, keeps a masked text's length, comes to an end, and takes the secret out of
// a call whatever stands before it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/redact.hpp"

namespace {

using namespace keypool::core;

constexpr std::string_view kSecret = "zq7secretzq7";

void require(bool kept) {
  if (!kept) std::abort();
}

std::string masked(std::string text, const SqlReading& reading, bool& changed) {
  std::vector<Hidden> hidden = find_secrets(text, reading);
  for (const Hidden& part : hidden) require(part.begin <= part.end && part.end <= text.size());
  changed = mask_secrets(text.data(), hidden);
  return text;
}

}  // namespace

// Input: a byte of options, then the text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const PreparedCall prepared[] = {{"p", {{2, SecretForm::kText}}}};
  SqlReading reading{.backslash_escapes = (data[0] & 1) != 0};
  if ((data[0] & 2) != 0) reading.prepared = prepared;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);

  bool changed = false;
  std::string again = text;
  for (int times = 0; times == 0 || changed; ++times) {
    again = masked(again, reading, changed);
    require(again.size() == text.size() && times < 8);
  }

  RedactedEntry entry(reading);
  entry.learn(text, (data[0] & 4) != 0);
  entry.hide(text, "…");
  entry.hide("parameters: $1 = 'a', $2 = '" + text + "'", "…");

  const std::string call = text + " add_key('openai', '" + std::string(kSecret) + "')";
  if (text.find(kSecret) == std::string::npos) {
    require(masked(call, reading, changed).find(kSecret) == std::string::npos);
    const auto shown = RedactedEntry(reading).hide(call, "…");
    require(shown && shown->find(kSecret) == std::string::npos);
  }
  return 0;
}
