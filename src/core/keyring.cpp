#include "core/keyring.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/binary_text.hpp"
#include "core/error.hpp"

namespace keypool::core {
namespace {

constexpr std::byte kWrapVersion{1};

// Different infos make keys that tell nothing about each other. They are part of the stored format.
constexpr std::string_view kRootIdInfo = "pg_keypool root id v1";
constexpr std::string_view kWrapInfo = "pg_keypool wrap v1";

constexpr const char* kRestoreHint = "Restore this row of keypool.data_keys from a backup.";

Aead derive_wrapping(const Secret& root) {
  Secret key(kKeySize);
  hkdf_sha256(root.bytes(), {}, bytes_of(kWrapInfo), key.bytes());
  return Aead(key.bytes());
}

// Unambiguous because only the number, the last field, follows the last bar.
std::string wrap_aad(std::uint32_t number, std::string_view purpose) {
  return "pg_keypool wrapped key|" + std::string(purpose) + "|" + std::to_string(number);
}

[[noreturn]] void fail_wrapped(std::uint32_t number, std::string_view purpose, const char* what,
                               std::string detail) {
  throw Error(ErrorCode::kDecryptionFailed,
              std::string(purpose) + " key " + std::to_string(number) + " " + what,
              std::move(detail), kRestoreHint);
}

}  // namespace

std::string short_root_id(std::span<const std::byte> id) {
  const std::string text = to_hex(id.first(std::min<std::size_t>(id.size(), 4)));
  return text.empty() ? "(none)" : text;
}

RootId root_id_of(const Secret& root) {
  RootId id;
  hkdf_sha256(root.bytes(), {}, bytes_of(kRootIdInfo), id);
  return id;
}

Keyring::Keyring(std::vector<Secret> roots) { set_roots(std::move(roots)); }

Keyring::Keyring(Secret root) {
  std::vector<Secret> roots;
  roots.push_back(std::move(root));
  set_roots(std::move(roots));
}

bool Keyring::knows_root(std::span<const std::byte> stored_root_id) const noexcept {
  return std::any_of(roots_.begin(), roots_.end(),
                     [&](const Root& root) { return std::ranges::equal(stored_root_id, root.id); });
}

void Keyring::set_roots(std::vector<Secret> roots) {
  if (roots.empty()) throw Error(ErrorCode::kInternal, "a keyring needs a root key");
  std::vector<Root> derived;
  derived.reserve(roots.size());
  for (const Secret& root : roots) derived.push_back({root_id_of(root), derive_wrapping(root)});
  roots_ = std::move(derived);
}

std::vector<std::byte> Keyring::wrap(std::uint32_t number, std::string_view purpose,
                                     std::span<const std::byte> key) {
  if (key.size() != kKeySize)
    throw Error(ErrorCode::kInternal, "a key to be wrapped must have 32 bytes");
  std::vector<std::byte> wrapped(kWrappedKeySize);
  wrapped[0] = kWrapVersion;
  const auto nonce = std::span(wrapped).subspan<1, kNonceSize>();
  random_bytes(nonce);
  roots_.front().wrapping.seal(nonce, bytes_of(wrap_aad(number, purpose)), key,
                               std::span(wrapped).subspan(1 + kNonceSize));
  return wrapped;
}

void Keyring::add(std::uint32_t number, std::string_view purpose,
                  std::span<const std::byte> wrapped, std::span<const std::byte> stored_root_id) {
  root_of(stored_root_id);
  if (purpose != kDataPurpose && purpose != kFingerprintPurpose)
    throw Error(ErrorCode::kDecryptionFailed,
                "wrapped key " + std::to_string(number) + " has an unknown purpose",
                "This release of pg_keypool knows \"data\" and \"fingerprint\".", kRestoreHint);
  const Secret key = unwrap(number, purpose, wrapped, stored_root_id);
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

std::vector<std::byte> Keyring::rewrap(std::uint32_t number, std::string_view purpose,
                                       std::span<const std::byte> wrapped,
                                       std::span<const std::byte> stored_root_id) {
  const Secret key = unwrap(number, purpose, wrapped, stored_root_id);
  return wrap(number, purpose, key.bytes());
}

Keyring::Root& Keyring::root_of(std::span<const std::byte> stored_root_id) {
  const auto found = std::ranges::find_if(
      roots_, [&](const Root& root) { return std::ranges::equal(stored_root_id, root.id); });
  if (found != roots_.end()) return *found;
  std::string there;
  for (const Root& root : roots_) {
    there += (there.empty() ? "" : ", ") + short_root_id(root.id);
  }
  const bool one = roots_.size() == 1;
  throw Error(ErrorCode::kRootKeyUnavailable,
              one ? "root key is not the one this database was keyed with"
                  : "no root key is the one this database was keyed with",
              "The database was keyed with root key " + short_root_id(stored_root_id) +
                  (one ? ", the one found is " : ", those found are ") + there + ".",
              "Put the original root key back where keypool.root_key_file or "
              "keypool.root_key_command finds it; beside a newer one, as a line below it.");
}

Secret Keyring::unwrap(std::uint32_t number, std::string_view purpose,
                       std::span<const std::byte> wrapped,
                       std::span<const std::byte> stored_root_id) {
  Root& root = root_of(stored_root_id);
  if (wrapped.size() != kWrappedKeySize)
    fail_wrapped(number, purpose, "is damaged",
                 "Its stored form has " + std::to_string(wrapped.size()) + " bytes instead of " +
                     std::to_string(kWrappedKeySize) + ".");
  if (wrapped[0] != kWrapVersion)
    fail_wrapped(number, purpose, "is of an unknown version",
                 "Found version " + std::to_string(std::to_integer<int>(wrapped[0])) +
                     ", this release of pg_keypool knows version 1.");
  Secret key(kKeySize);
  if (!root.wrapping.open(wrapped.subspan<1, kNonceSize>(), bytes_of(wrap_aad(number, purpose)),
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
