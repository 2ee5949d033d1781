// The cryptographic primitives, and the only door to OpenSSL: AES-256-GCM, HMAC-SHA256,
// HKDF-SHA256, random bytes; for what others have sealed also AES-128-CBC and SHA-256. No header of
// OpenSSL leaks out of cipher.cpp.
//
// Aead and Hmac keep their context and key schedule between calls (an open takes about a third of
// what a fresh context takes), so they are not const, not copyable, and for one thread at a time.
// Failures of OpenSSL itself throw Error(kInternal), or std::bad_alloc where it ran out of memory.
// A message that fails to authenticate is an answer, not an exception.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "core/secret.hpp"

// OpenSSL's own names for EVP_CIPHER_CTX and EVP_MAC_CTX.
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace keypool::core {

inline constexpr std::size_t kKeySize = 32;
inline constexpr std::size_t kNonceSize = 12;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kDigestSize = 32;

using Digest = std::array<std::byte, kDigestSize>;
using NonceView = std::span<const std::byte, kNonceSize>;

// AES-256-GCM under one key. A nonce must never be used twice with a key: take it from
// random_bytes(), which is safe for 2^32 messages a key (NIST SP 800-38D, section 8.3).
class Aead {
 public:
  explicit Aead(std::span<const std::byte> key);  // exactly kKeySize bytes

  // Writes plain.size() bytes of ciphertext and the tag; `out` has exactly that size and does not
  // overlap `plain`.
  void seal(NonceView nonce, std::span<const std::byte> aad, std::span<const std::byte> plain,
            std::span<std::byte> out_cipher_and_tag);

  // Writes cipher_and_tag.size() - kTagSize bytes to the front of `plain_out`. False when the tag
  // does not fit key, nonce, associated data and ciphertext, or when a size is impossible; then
  // all of `plain_out` is wiped. The Aead stays usable.
  [[nodiscard]] bool open(NonceView nonce, std::span<const std::byte> aad,
                          std::span<const std::byte> cipher_and_tag,
                          std::span<std::byte> plain_out) noexcept;

 private:
  struct FreeContext {
    void operator()(evp_cipher_ctx_st* context) const noexcept;  // wipes the key schedule
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, FreeContext>;

  Context encrypt_;
  Context decrypt_;
};

// HMAC-SHA256 under one key.
class Hmac {
 public:
  explicit Hmac(std::span<const std::byte> key);

  Digest of(std::span<const std::byte> data);

 private:
  struct FreeContext {
    void operator()(evp_mac_ctx_st* context) const noexcept;  // wipes the key
  };

  std::unique_ptr<evp_mac_ctx_st, FreeContext> context_;
};

// One-off HMAC-SHA256; some five times slower than a kept Hmac.
Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data);

// HKDF-SHA256 (RFC 5869), extract and expand; `out` is at most 255 * 32 bytes.
void hkdf_sha256(std::span<const std::byte> key, std::span<const std::byte> salt,
                 std::span<const std::byte> info, std::span<std::byte> out);

Digest sha256(std::span<const std::byte> data);

inline constexpr std::size_t kCbcKeySize = 16;
inline constexpr std::size_t kCbcBlockSize = 16;
using CbcKeyView = std::span<const std::byte, kCbcKeySize>;
using CbcIvView = std::span<const std::byte, kCbcBlockSize>;

// AES-128-CBC with PKCS #7 padding, which authenticates nothing: decrypt only what a MAC has
// vouched for. An empty answer means that the padding, or the size, is not one that encryption
// makes.
Secret encrypt_cbc(CbcKeyView key, CbcIvView iv, std::span<const std::byte> plain);
std::optional<Secret> decrypt_cbc(CbcKeyView key, CbcIvView iv, std::span<const std::byte> cipher);

// From OpenSSL's generator, which reseeds itself after a fork.
void random_bytes(std::span<std::byte> out);

// Takes the same time wherever the first difference is. Sizes are not secret.
bool equal_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) noexcept;

}  // namespace keypool::core
