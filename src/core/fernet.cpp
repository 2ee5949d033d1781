#include "core/fernet.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

#include "core/binary_text.hpp"

namespace keypool::core {
namespace {

constexpr std::byte kVersion{0x80};
constexpr std::size_t kTimeAt = 1;
constexpr std::size_t kIvAt = kTimeAt + sizeof(std::uint64_t);
constexpr std::size_t kCipherAt = kIvAt + kCbcBlockSize;
constexpr std::size_t kShortest = kCipherAt + kCbcBlockSize + kDigestSize;

using Key = std::span<const std::byte, kKeySize>;

auto signing_half(Key key) { return key.first<kCbcKeySize>(); }
auto encrypting_half(Key key) { return key.last<kCbcKeySize>(); }

std::optional<Secret> bytes_of_key(std::string_view text) {
  auto key = from_base64(text);
  if (!key || key->size() != kKeySize) key = from_hex(text);
  if (key && key->size() == kKeySize) return key;
  return std::nullopt;
}

// Hex begins with the version as base64 does: with "gA", which no hex has.
std::optional<Secret> bytes_of_token(std::string_view text) {
  auto token = from_hex(text);
  return token ? std::move(token) : from_base64(text);
}

bool is_of_age(std::span<const std::byte, sizeof(std::uint64_t)> time, const FernetAge& age) {
  std::uint64_t seconds = 0;
  for (const std::byte part : time) seconds = seconds << 8 | std::to_integer<std::uint64_t>(part);
  const Micros unix_now = age.now - kUnixEpoch;
  const std::uint64_t newest = static_cast<std::uint64_t>(unix_now + kFernetClockSkew) / kSecond;
  if (seconds > newest) return false;  // so that what follows cannot overflow
  return unix_now - static_cast<Micros>(seconds) * kSecond <= age.longest;
}

}  // namespace

std::optional<Secret> open_fernet(std::string_view token_text, std::string_view key_text,
                                  std::optional<FernetAge> age) {
  const auto key_bytes = bytes_of_key(key_text);
  const auto token_bytes = bytes_of_token(token_text);
  if (!key_bytes || !token_bytes || token_bytes->size() < kShortest) return std::nullopt;
  const Key key(key_bytes->bytes());
  const std::span<const std::byte> token = token_bytes->bytes();
  const auto signed_part = token.first(token.size() - kDigestSize);
  const Digest mac = hmac_sha256(signing_half(key), signed_part);
  if (!equal_constant_time(mac, token.last(kDigestSize)) || token[0] != kVersion)
    return std::nullopt;
  if (age && !is_of_age(token.subspan<kTimeAt, sizeof(std::uint64_t)>(), *age)) return std::nullopt;
  return decrypt_cbc(encrypting_half(key), token.subspan<kIvAt, kCbcBlockSize>(),
                     signed_part.subspan(kCipherAt));
}

Secret seal_fernet(Key key, CbcIvView iv, Micros now, std::string_view plain) {
  const Secret cipher = encrypt_cbc(encrypting_half(key), iv, bytes_of(plain));
  Secret token(kCipherAt + cipher.size() + kDigestSize);
  const auto bytes = token.bytes();
  bytes[0] = kVersion;
  const auto seconds = static_cast<std::uint64_t>((now - kUnixEpoch) / kSecond);
  for (std::size_t i = 0; i < sizeof(seconds); ++i)
    bytes[kTimeAt + i] = static_cast<std::byte>(seconds >> (56 - 8 * i));
  std::memcpy(&bytes[kIvAt], iv.data(), iv.size());
  std::memcpy(&bytes[kCipherAt], cipher.data(), cipher.size());
  const std::size_t signed_size = kCipherAt + cipher.size();
  const Digest mac = hmac_sha256(signing_half(key), bytes.first(signed_size));
  std::memcpy(&bytes[signed_size], mac.data(), mac.size());
  return to_base64_url(bytes);
}

}  // namespace keypool::core
