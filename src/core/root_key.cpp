#include "core/root_key.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "core/binary_text.hpp"
#include "core/cipher.hpp"
#include "core/error.hpp"

namespace keypool::core {
namespace {

constexpr std::size_t kHexSize = 2 * kKeySize;
constexpr std::size_t kBase64Size = 43;  // the padding would be the 44th

constexpr const char* kAccepted =
    "Accepted are 64 hexadecimal digits, base64 of 32 bytes, or exactly 32 raw bytes.";

[[noreturn]] void refuse(const char* message, const std::string& detail) {
  throw Error(ErrorCode::kRootKeyUnavailable, message, detail + " " + kAccepted,
              "\"openssl rand -hex 32\" makes a root key; for a database that has keys already, "
              "use the one it was keyed with.");
}

Secret require_key(std::optional<Secret> key, const char* otherwise) {
  if (!key || key->size() != kKeySize) refuse("root key is malformed", otherwise);
  return std::move(*key);
}

std::string_view without_newline(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

Secret decode(std::string_view raw) {
  // First, since raw bytes may well end like a line.
  if (raw.size() == kKeySize) return Secret(raw);
  const std::string_view text = without_newline(raw);
  if (text.size() == kHexSize)
    return require_key(from_hex(text), "Found 64 characters that are not all hexadecimal digits.");
  const bool padded = text.size() == kBase64Size + 1 && text.back() == '=';
  if (text.size() == kBase64Size || padded)
    return require_key(from_base64(text), "Found the length of base64 of 32 bytes, but not such.");
  refuse("root key has the wrong length", "Found " + std::to_string(raw.size()) + " bytes.");
}

// One of several lines; empty when there is nothing in it. Raw bytes are no line.
Secret parse_line(std::string_view line, std::size_t number) {
  const std::string_view text = without_newline(line);
  if (text.empty()) return {};
  const std::string where = "In line " + std::to_string(number) + ": ";
  if (text.size() == kKeySize)
    refuse("root key has the wrong length", where + "of several keys each is written as text.");
  try {
    return parse_root_key(text);
  } catch (const Error& error) {
    throw Error(error.code(), error.message(), where + error.detail(), error.hint());
  }
}

void add(std::vector<Secret>& keys, Secret& key) {
  const bool known = std::any_of(keys.begin(), keys.end(), [&key](const Secret& other) {
    return equal_constant_time(other.bytes(), key.bytes());
  });
  if (known) return;
  if (keys.size() == kMostRootKeys)
    throw Error(ErrorCode::kRootKeyUnavailable, "too many root keys",
                "At most " + std::to_string(kMostRootKeys) + " may be given.",
                "Remove the last lines, whose keys nothing is wrapped with any more.");
  keys.push_back(std::move(key));
}

}  // namespace

Secret parse_root_key(std::string_view raw) {
  Secret key = decode(raw);
  constexpr std::array<std::byte, kKeySize> kZeros{};
  if (equal_constant_time(key.bytes(), kZeros))
    refuse("root key is all zeros", "A root key is 32 random bytes.");
  return key;
}

std::vector<Secret> parse_root_keys(std::string_view raw) {
  std::vector<Secret> keys;
  // First, since raw bytes may well look like lines.
  if (raw.size() == kKeySize || without_newline(raw).find('\n') == std::string_view::npos) {
    keys.push_back(parse_root_key(raw));
    return keys;
  }
  std::size_t number = 0;
  for (std::string_view rest = raw; !rest.empty();) {
    const std::size_t size = std::min(rest.find('\n'), rest.size() - 1) + 1;
    ++number;
    if (Secret key = parse_line(rest.substr(0, size), number); key.size() != 0) add(keys, key);
    rest.remove_prefix(size);
  }
  if (keys.empty()) refuse("root key has the wrong length", "Found empty lines only.");
  return keys;
}

Secret new_root_key() {
  Secret key(kKeySize);
  random_bytes(key.bytes());
  return key;
}

Secret root_keys_text(std::span<const Secret> keys) {
  Secret text(keys.size() * (kHexSize + 1));
  std::byte* out = text.data();
  for (const Secret& key : keys) {
    write_hex(key.bytes(), out);
    out[kHexSize] = std::byte{'\n'};
    out += kHexSize + 1;
  }
  return text;
}

}  // namespace keypool::core
