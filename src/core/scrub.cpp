#include "core/scrub.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/ascii.hpp"
#include "core/key_shape.hpp"

namespace keypool::core {
namespace {

constexpr std::size_t kLeastKeyInWord = 20;  // behind a prefix inside one ("task-…" is no key)
constexpr std::size_t kLeastBareKey = 32;    // letters and digits without any prefix

constexpr std::size_t kLongestWord = 2048;  // a key in any disguise is shorter

constexpr std::string_view kRedacted = "[redacted]";
constexpr std::string_view kEllipsis = "\u2026";
constexpr std::string_view kReplacement = "\uFFFD";

std::size_t prefix_length(std::string_view text) noexcept { return key_prefix(text).text.size(); }

// Which bytes of a text are to be taken away.
class Mask {
 public:
  explicit Mask(std::size_t size) : hidden_(size, 0) {}
  bool hides(std::size_t index) const noexcept { return hidden_[index] != 0; }
  void hide(std::size_t begin, std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) hidden_[i] = 1;
  }

 private:
  std::vector<std::uint8_t> hidden_;
};

// ---- what looks like a key ----

void hide_bare_keys(std::string_view text, std::size_t begin, std::size_t end, Mask& mask) {
  for (std::size_t i = begin; i < end;) {
    std::size_t run_end = i;
    while (run_end < end && is_alnum(text[run_end])) ++run_end;
    if (run_end - i >= kLeastBareKey) mask.hide(i, run_end);
    i = std::max(run_end, i + 1);
  }
}

// [begin, end) is a longest run of key characters. A prefix in the middle of it counts too, since
// the key may stand right behind an escape ("\nsk-…", "%3Dsk-…"), but then only before something
// as long as a real key with a digit in it.
void hide_in_word(std::string_view text, std::size_t begin, std::size_t end, Mask& mask) {
  std::size_t after_last_digit = end;
  while (after_last_digit > begin && !is_digit(text[after_last_digit - 1])) --after_last_digit;
  std::size_t key_at = end;
  std::size_t bare_end = end;
  for (std::size_t i = begin; i < end && key_at == end; ++i) {
    const std::size_t length = prefix_length(text.substr(i, end - i));
    if (length == 0) continue;
    const std::size_t body = i + length;
    const bool begins_word = i == begin || !is_alnum(text[i - 1]);
    const bool is_key = begins_word ? end - body >= kLeastKey
                                    : end - body >= kLeastKeyInWord && after_last_digit > body;
    if (!is_key) continue;
    key_at = body;
    bare_end = i;
  }
  hide_bare_keys(text, begin, bare_end, mask);
  mask.hide(key_at, end);
}

void hide_key_like(std::string_view text, Mask& mask) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && is_key_char(text[end])) ++end;
    if (end > begin) hide_in_word(text, begin, end, mask);
    begin = std::max(end, begin + 1);
  }
}

// ---- a secret that is known ----

// Where `pattern` begins in `text`, overlaps included. Knuth, Morris, Pratt: std::search may take
// time proportional to the product, and the text is somebody else's.
std::vector<std::size_t> occurrences(std::string_view text, std::string_view pattern) {
  std::vector<std::size_t> found;
  if (pattern.empty() || pattern.size() > text.size()) return found;
  std::vector<std::size_t> border(pattern.size(), 0);
  for (std::size_t i = 1, k = 0; i < pattern.size(); ++i) {
    while (k > 0 && pattern[i] != pattern[k]) k = border[k - 1];
    if (pattern[i] == pattern[k]) ++k;
    border[i] = k;
  }
  for (std::size_t i = 0, k = 0; i < text.size(); ++i) {
    while (k > 0 && text[i] != pattern[k]) k = border[k - 1];
    if (text[i] == pattern[k]) ++k;
    if (k < pattern.size()) continue;
    found.push_back(i + 1 - k);
    k = border[k - 1];
  }
  return found;
}

// Hides `pattern` wherever `text` holds it, but for its first `keep` bytes. Byte i of `text` stands
// at origin[i] of the masked text.
void hide_pattern(std::string_view text, std::string_view pattern, std::size_t keep,
                  const std::vector<std::size_t>& origin, Mask& mask) {
  std::size_t hidden_to = 0;  // occurrences may overlap: hide no byte twice, to stay linear
  for (const std::size_t at : occurrences(text, pattern)) {
    const std::size_t begin = std::max(origin[at + keep], hidden_to);
    const std::size_t end = origin[at + pattern.size()];
    if (begin >= end) continue;
    mask.hide(begin, end);
    hidden_to = end;
  }
}

struct Decoded {
  std::string text;
  std::vector<std::size_t> origin;  // of each byte, and of the end
};

Decoded percent_decoded(std::string_view text) {
  Decoded decoded;
  for (std::size_t i = 0; i < text.size();) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                        hex_value(text[i + 2]) >= 0;
    decoded.origin.push_back(i);
    decoded.text +=
        escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
    i += escape ? 3 : 1;
  }
  decoded.origin.push_back(text.size());
  return decoded;
}

// The characters of base64 that depend on the secret alone when `lead` bytes (0 to 2) stand before
// it in their group of three and any bytes follow it.
std::string base64_core(std::string_view secret, std::size_t lead) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string core;
  std::uint32_t bits = 0;
  int count = -static_cast<int>((6 - lead * 8 % 6) % 6);  // bits still shared with the lead
  for (const char c : secret) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      core += kDigits[bits >> count & 63];
    }
  }
  return core;
}

void hide_known_secret(std::string_view text, std::string_view secret, Mask& mask) {
  const std::size_t keep = shown_length(secret);
  std::vector<std::size_t> same(text.size() + 1);
  for (std::size_t i = 0; i < same.size(); ++i) same[i] = i;
  hide_pattern(text, secret, keep, same, mask);
  const Decoded decoded = percent_decoded(text);
  hide_pattern(decoded.text, secret, keep, decoded.origin, mask);
  if (secret.size() < kLeastKey) return;  // its base64 would be too short to mean anything
  std::string standard(text);             // the URL-safe alphabet made one with the standard one
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  for (std::size_t lead = 0; lead < 3; ++lead) {
    hide_pattern(standard, base64_core(secret, lead), 0, same, mask);
  }
}

// ---- clean text ----

// Length of the UTF-8 character at the start of `text`, 0 if there is none. Table 3-7 of the
// Unicode Standard: no overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const unsigned first = byte(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= low && byte(1) <= high && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_control(std::string_view character) noexcept {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;  // U+0080 to U+009F
}

std::string rendered(std::string_view text, const Mask& mask) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (mask.hides(i)) {
      if (i > 0 && is_key_char(text[i - 1])) out += kEllipsis;
      out += kRedacted;
      while (i < text.size() && mask.hides(i)) ++i;
      continue;
    }
    const std::size_t length = utf8_length(text.substr(i));
    const std::string_view character = text.substr(i, length);
    if (length == 0) {
      out += kReplacement;
    } else if (is_control(character)) {
      out += ' ';
    } else {
      out += character;
    }
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

}  // namespace

std::string scrub(std::string_view text, std::string_view known_secret) {
  Mask mask(text.size());
  hide_key_like(text, mask);
  if (!known_secret.empty()) hide_known_secret(text, known_secret, mask);
  return rendered(text, mask);
}

std::string_view beginning(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most + kLongestWord) return text;
  text = text.substr(0, most + kLongestWord);
  const std::size_t end = text.find_last_of(" \t\r\n\"',;{}[]()<>");
  return text.substr(0, end == std::string_view::npos ? most : end);
}

void cut_utf8(std::string& text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
}

}  // namespace keypool::core
