// The keys to the keys of one database, in one process's memory: what is needed to seal and open
// API keys and to fingerprint them.
//
// The root key only wraps a handful of random keys, each with a number and a purpose, kept in
// keypool.data_keys beside the public identifier of the root that wrapped them. Changing the root
// therefore rewraps those rows and nothing else: API keys and fingerprints stay as they are. While
// that goes on there are several roots: the newest wraps, each unwraps what it has wrapped.
// For one thread; a Keyring that throws stays as it was before the call. Failures throw Error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
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

// Enough of an identifier to tell two apart, as people see it.
std::string short_root_id(std::span<const std::byte> id);

// The identifier of a root key: equal for equal roots, tells nothing about them.
RootId root_id_of(const Secret& root);

class Keyring {
 public:
  // Takes the root keys (kKeySize bytes each, the newest first, at least one), derives what it
  // needs, and wipes them.
  explicit Keyring(std::vector<Secret> roots);
  explicit Keyring(Secret root);

  // Of the newest root key. Store it beside wrapped keys.
  const RootId& root_id() const noexcept { return roots_.front().id; }
  bool knows_root(std::span<const std::byte> stored_root_id) const noexcept;
  // Other root keys from now on; the keys in the ring stay.
  void set_roots(std::vector<Secret> roots);

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

  // The same key wrapped with the newest root; throws like add().
  std::vector<std::byte> rewrap(std::uint32_t number, std::string_view purpose,
                                std::span<const std::byte> wrapped,
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

  struct Root {
    RootId id;
    Aead wrapping;
  };

  Root& root_of(std::span<const std::byte> stored_root_id);
  Secret unwrap(std::uint32_t number, std::string_view purpose, std::span<const std::byte> wrapped,
                std::span<const std::byte> stored_root_id);

  std::vector<Root> roots_;         // the newest first
  std::vector<DataKey> data_keys_;  // a handful
  std::size_t last_ = 0;            // index of the data key asked for last: nearly always the next
  std::optional<Hmac> fingerprint_;
};

}  // namespace keypool::core
