#include "core/password_seal.hpp"

#include "core/binary_text.hpp"
#include "core/cipher.hpp"

namespace keypool::core {
namespace {

std::optional<Secret> open_bytes(std::span<const std::byte> sealed, Aead& aead) {
  if (sealed.size() < kNonceSize + kTagSize) return std::nullopt;
  Secret plain(sealed.size() - kNonceSize - kTagSize);
  if (!aead.open(sealed.first<kNonceSize>(), {}, sealed.subspan(kNonceSize), plain.bytes()))
    return std::nullopt;
  return plain;
}

}  // namespace

std::optional<Secret> open_password_seal(std::string_view sealed, std::string_view password) {
  Digest key = sha256(bytes_of(password));
  Aead aead(key);
  wipe(key);
  // A text of hex digits alone can be read either way; the tag says which was meant.
  for (const auto read : {from_hex, from_base64}) {
    const auto bytes = read(sealed);
    if (!bytes) continue;
    if (auto plain = open_bytes(bytes->bytes(), aead)) return plain;
  }
  return std::nullopt;
}

}  // namespace keypool::core
