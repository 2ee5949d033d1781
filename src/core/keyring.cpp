#include "core/keyring.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace keypool::core {
namespace {

constexpr std::byte kWrapVersion{1};

// Different infos make keys that tell nothing about each other. They are part of the stored format.
constexpr std::string_view kRootIdInfo = "pg_keypool root id v1";
constexpr std::string_view kWrapInfo = "pg_keypool wrap v1";

constexpr const char* kRestoreHint = "Restore this row of keypool.data_keys from a backup.";

RootId derive_root_id(const Secret& root) {
  RootId id;
  hkdf_sha256(root.bytes(), {}, bytes_of(kRootIdInfo), id);
  return id;
}

Aead derive_wrapping(const Secret& root) {
  Secret key(kKeySize);
  hkdf_sha256(root.bytes(), {}, bytes_of(kWrapInfo), key.bytes());
  return Aead(key.bytes());
}

// Unambiguous because only the number, the last field, follows the last bar.
std::string wrap_aad(std::uint32_t number, std::string_view purpose) {
  return "pg_keypool wrapped key|" + std::string(purpose) + "|" + std::to_string(number);
}

// Enough of an identifier to tell two apart.
std::string short_hex(std::span<const std::byte> id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte b : id.first(std::min<std::size_t>(id.size(), 4))) {
    text += kDigits[std::to_integer<unsigned>(b >> 4)];
    text += kDigits[std::to_integer<unsigned>(b & std::byte{15})];
  }
  return text.empty() ? "(none)" : text;
}

[[noreturn]] void fail_wrapped(std::uint32_t number, std::string_view purpose, const char* what,
                               std::string detail) {
  throw Error(ErrorCode::kDecryptionFailed,
              std::string(purpose) + " key " + std::to_string(number) + " " + what,
              std::move(detail), kRestoreHint);
}

}  // namespace

Keyring::Keyring(Secret root) : root_id_(derive_root_id(root)), wrapping_(derive_wrapping(root)) {}

std::vector<std::byte> Keyring::wrap(std::uint32_t number, std::string_view purpose,
                                     std::span<const std::byte> key) {
  if (key.size() != kKeySize)
    throw Error(ErrorCode::kInternal, "a key to be wrapped must have 32 bytes");
  std::vector<std::byte> wrapped(kWrappedKeySize);
  wrapped[0] = kWrapVersion;
  const auto nonce = std::span(wrapped).subspan<1, kNonceSize>();
  random_bytes(nonce);
  wrapping_.seal(nonce, bytes_of(wrap_aad(number, purpose)), key,
                 std::span(wrapped).subspan(1 + kNonceSize));
  return wrapped;
}

void Keyring::add(std::uint32_t number, std::string_view purpose,
                  std::span<const std::byte> wrapped, std::span<const std::byte> stored_root_id) {
  check_root(stored_root_id);
  if (purpose != kDataPurpose && purpose != kFingerprintPurpose)
    throw Error(ErrorCode::kDecryptionFailed,
                "wrapped key " + std::to_string(number) + " has an unknown purpose",
                "This release of pg_keypool knows \"data\" and \"fingerprint\".", kRestoreHint);
  const Secret key = unwrap(number, purpose, wrapped);
  if (purpose == kFingerprintPurpose) {
    fingerprint_ = Hmac(key.bytes());
    return;
  }
  DataKey added{number, Aead(key.bytes())};
  const auto place = std::ranges::find(data_keys_, number, &DataKey::number);
  if (place == data_keys_.end())
    data_keys_.push_back(std::move(added));
  else
    *place = std::move(added);
}

void Keyring::check_root(std::span<const std::byte> stored_root_id) const {
  if (std::ranges::equal(stored_root_id, root_id_)) return;
  throw Error(ErrorCode::kRootKeyUnavailable,
              "root key is not the one this database was keyed with",
              "The database was keyed with root key " + short_hex(stored_root_id) +
                  ", the one found is " + short_hex(root_id_) + ".",
              "Put the original root key back where keypool.root_key_file or "
              "keypool.root_key_command finds it.");
}

Secret Keyring::unwrap(std::uint32_t number, std::string_view purpose,
                       std::span<const std::byte> wrapped) {
  if (wrapped.size() != kWrappedKeySize)
    fail_wrapped(number, purpose, "is damaged",
                 "Its stored form has " + std::to_string(wrapped.size()) + " bytes instead of " +
                     std::to_string(kWrappedKeySize) + ".");
  if (wrapped[0] != kWrapVersion)
    fail_wrapped(number, purpose, "is of an unknown version",
                 "Found version " + std::to_string(std::to_integer<int>(wrapped[0])) +
                     ", this release of pg_keypool knows version 1.");
  Secret key(kKeySize);
  if (!wrapping_.open(wrapped.subspan<1, kNonceSize>(), bytes_of(wrap_aad(number, purpose)),
                      wrapped.subspan(1 + kNonceSize), key.bytes()))
    fail_wrapped(number, purpose, "could not be decrypted",
                 "The root key is the right one, so the stored form is damaged or belongs to "
                 "another row.");
  return key;
}

bool Keyring::has(std::uint32_t number) const noexcept {
  return std::ranges::find(data_keys_, number, &DataKey::number) != data_keys_.end();
}

std::uint32_t Keyring::current() const noexcept {
  std::uint32_t newest = 0;
  for (const DataKey& key : data_keys_) newest = std::max(newest, key.number);
  return newest;
}

Aead& Keyring::data_key(std::uint32_t number) {
  if (last_ < data_keys_.size() && data_keys_[last_].number == number)
    return data_keys_[last_].aead;
  const auto place = std::ranges::find(data_keys_, number, &DataKey::number);
  if (place == data_keys_.end())
    throw Error(ErrorCode::kDecryptionFailed, "data key " + std::to_string(number) + " is missing",
                "API keys sealed under it cannot be opened without it.",
                "Restore its row of keypool.data_keys from a backup, or store those API keys again "
                "with rotate_key().");
  last_ = static_cast<std::size_t>(place - data_keys_.begin());
  return place->aead;
}

Digest Keyring::fingerprint(std::string_view secret) {
  if (!fingerprint_)
    throw Error(ErrorCode::kDecryptionFailed, "fingerprint key is missing",
                "Without it a secret cannot be recognised as one that is stored.",
                "Restore its row of keypool.data_keys from a backup.");
  return fingerprint_->of(bytes_of(secret));
}

}  // namespace keypool::core
