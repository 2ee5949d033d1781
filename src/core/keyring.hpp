// The keys to the keys of one database, in one process's memory: what is needed to seal and open
// API keys and to fingerprint them.
//
// The root key only wraps a handful of random keys, each with a number and a purpose, kept in
// keypool.data_keys beside the public identifier of the root that wrapped them. Changing the root
// therefore rewraps those rows and nothing else: API keys and fingerprints stay as they are.
// For one thread; a Keyring that throws stays as it was before the call. Failures throw Error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/cipher.hpp"
#include "core/secret.hpp"

namespace keypool::core {

using RootId = std::array<std::byte, 16>;

// Purposes of a wrapped key. API keys are sealed under the data keys; fingerprints are made with
// the one fingerprint key.
inline constexpr std::string_view kDataPurpose = "data";
inline constexpr std::string_view kFingerprintPurpose = "fingerprint";

// version 1 (1 byte) | nonce (12) | encrypted key (32) | tag (16)
inline constexpr std::size_t kWrappedKeySize = 1 + kNonceSize + kKeySize + kTagSize;

class Keyring {
 public:
  // Takes the root key (kKeySize bytes), derives what it needs, and wipes it.
  explicit Keyring(Secret root);

  // Public identifier of the root key: equal for equal roots, tells nothing about them. Store it
  // beside wrapped keys.
  const RootId& root_id() const noexcept { return root_id_; }

  // The stored form of a random key of kKeySize bytes, bound to its number and purpose. Numbers
  // count from 1.
  std::vector<std::byte> wrap(std::uint32_t number, std::string_view purpose,
                              std::span<const std::byte> key);

  // Takes a stored key into the ring; one that is there already is replaced, and a reference to it
  // that data_key() gave ends. Throws kRootKeyUnavailable when another root wrapped it (recognised
  // by `stored_root_id`, before any decryption), kDecryptionFailed when it is damaged, belongs to
  // another row, or has a purpose this release does not know.
  void add(std::uint32_t number, std::string_view purpose, std::span<const std::byte> wrapped,
           std::span<const std::byte> stored_root_id);

  bool has(std::uint32_t number) const noexcept;
  bool has_fingerprint_key() const noexcept { return fingerprint_.has_value(); }

  // The newest data key, the one to seal with; 0 when there is none.
  std::uint32_t current() const noexcept;

  // Valid until the next add(). Throws kDecryptionFailed when it is not in the ring.
  Aead& data_key(std::uint32_t number);

  // Equal for equal secrets within one database. Throws kDecryptionFailed when the ring has no
  // fingerprint key.
  Digest fingerprint(std::string_view secret);

 private:
  struct DataKey {
    std::uint32_t number;
    Aead aead;
  };

  Secret unwrap(std::uint32_t number, std::string_view purpose, std::span<const std::byte> wrapped);
  void check_root(std::span<const std::byte> stored_root_id) const;

  RootId root_id_;
  Aead wrapping_;
  std::vector<DataKey> data_keys_;  // a handful
  std::size_t last_ = 0;            // index of the data key asked for last: nearly always the next
  std::optional<Hmac> fingerprint_;
};

}  // namespace keypool::core
