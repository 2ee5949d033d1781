#include "core/binary_text.hpp"

#include <cstdint>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// -1: not a digit.
int base64_value(char c) {
  if (is_upper(c)) return c - 'A';
  if (is_letter(c)) return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

// Gathers digits of so many bits into bytes. The buffer is as large as the text asks for at most.
class Gatherer {
 public:
  Gatherer(std::size_t digits, int bits)
      : bytes_(digits * static_cast<std::size_t>(bits) / 8), bits_(bits) {}

  void add(int digit) {
    pending_ = pending_ << bits_ | static_cast<std::uint32_t>(digit);
    held_ += bits_;
    digits_++;
    if (held_ < 8) return;
    held_ -= 8;
    bytes_.bytes()[size_++] = static_cast<std::byte>(pending_ >> held_);
    pending_ &= (1U << held_) - 1;
  }

  std::size_t digits() const { return digits_; }

  // Empty when digits are missing or what is left over is not zero.
  std::optional<Secret> take() {
    if (held_ >= bits_ || pending_ != 0) return std::nullopt;
    return Secret(bytes_.bytes().first(size_));
  }

 private:
  Secret bytes_;
  int bits_;
  std::uint32_t pending_ = 0;
  int held_ = 0;
  std::size_t size_ = 0;
  std::size_t digits_ = 0;
};

}  // namespace

std::optional<Secret> from_base64(std::string_view text) {
  Gatherer bytes(text.size(), 6);
  std::size_t padding = 0;
  for (const char c : text) {
    if (is_space(c)) continue;
    const int value = base64_value(c);
    if (c == '=')
      padding++;
    else if (value < 0 || padding != 0)
      return std::nullopt;
    else
      bytes.add(value);
  }
  if (padding != 0 && (padding > 2 || (bytes.digits() + padding) % 4 != 0)) return std::nullopt;
  return bytes.take();
}

std::optional<Secret> from_hex(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("\\x") || text.starts_with("0x")) text.remove_prefix(2);
  Gatherer bytes(text.size(), 4);
  for (const char c : text) {
    if (is_space(c)) continue;
    const int value = hex_value(c);
    if (value < 0) return std::nullopt;
    bytes.add(value);
  }
  return bytes.take();
}

void write_hex(std::span<const std::byte> bytes, std::byte* out) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::byte byte : bytes) {
    *out++ = static_cast<std::byte>(kDigits[std::to_integer<unsigned>(byte) >> 4]);
    *out++ = static_cast<std::byte>(kDigits[std::to_integer<unsigned>(byte) & 15]);
  }
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string text(2 * bytes.size(), '\0');
  write_hex(bytes, reinterpret_cast<std::byte*>(text.data()));
  return text;
}

Secret to_base64_url(std::span<const std::byte> bytes) {
  Secret text((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0, out = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto byte = at + i < bytes.size() ? bytes[at + i] : std::byte{0};
      group = group << 8 | std::to_integer<std::uint32_t>(byte);
    }
    for (std::size_t i = 0; i < 4; ++i, ++out) {
      const bool padding = at + i > bytes.size();
      const char c = padding ? '=' : kUrlAlphabet[group >> (18 - 6 * i) & 63];
      text.bytes()[out] = static_cast<std::byte>(c);
    }
  }
  return text;
}

}  // namespace keypool::core
