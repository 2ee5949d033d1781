#include "core/envelope.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/secret.hpp"

namespace keypool::core {
namespace {

constexpr std::byte kVersion{1};

// Of the associated data; apart from kVersion, so that either can change without the other.
constexpr std::byte kAadVersion{1};

std::string key_name(std::int64_t key_id) { return "key " + std::to_string(key_id); }

std::string restore_hint(std::int64_t key_id) {
  return "Restore the row from a backup, or store the secret again with rotate_key(" +
         std::to_string(key_id) + ", ...).";
}

[[noreturn]] void fail_damaged(std::int64_t key_id, const char* what, std::string detail) {
  throw Error(ErrorCode::kDecryptionFailed,
              "stored envelope of " + key_name(key_id) + " is " + what, std::move(detail),
              restore_hint(key_id));
}

[[noreturn]] void fail_open(std::int64_t key_id) {
  throw Error(ErrorCode::kDecryptionFailed, "could not decrypt " + key_name(key_id),
              "The ciphertext is damaged, or it belongs to another row: one whose id, provider "
              "or owner differ.",
              restore_hint(key_id));
}

std::string bytes_over_limit(std::size_t size, std::size_t limit) {
  return "It has " + std::to_string(size) + " bytes, the limit is " + std::to_string(limit) + ".";
}

void check_size(const char* what, std::size_t size, std::size_t limit) {
  if (size <= limit) return;
  throw Error(ErrorCode::kInvalidArgument, std::string(what) + " is too long",
              bytes_over_limit(size, limit));
}

// Appends to a buffer whose size the caller has checked.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}

  void byte(std::byte value) { out_[size_++] = value; }

  template <typename Unsigned>
  void big_endian(Unsigned value) {
    for (int shift = sizeof(value) * 8 - 8; shift >= 0; shift -= 8)
      byte(static_cast<std::byte>(value >> shift));
  }

  void bytes(std::span<const std::byte> value) {
    std::ranges::copy(value, out_.subspan(size_).begin());
    size_ += value.size();
  }

  void text(std::string_view value) {
    byte(static_cast<std::byte>(value.size()));
    bytes(bytes_of(value));
  }

  std::size_t size() const { return size_; }

 private:
  std::span<std::byte> out_;
  std::size_t size_ = 0;
};

}  // namespace

std::size_t write_aad(const KeyIdentity& identity, std::span<std::byte, kMaxAadSize> out) {
  static_assert(kMaxOwnerSize <= 255, "a length is one byte");
  check_size("provider name", identity.provider.size(), kMaxProviderSize);
  check_size("owner kind", identity.owner_kind.size(), kMaxOwnerKindSize);
  check_size("owner id", identity.owner.size(), kMaxOwnerSize);
  Writer writer(out);
  writer.byte(kAadVersion);
  writer.big_endian(static_cast<std::uint64_t>(identity.key_id));
  writer.text(identity.provider);
  writer.text(identity.owner_kind);
  writer.text(identity.owner);
  return writer.size();
}

EnvelopeView parse_envelope(std::span<const std::byte> envelope, std::int64_t key_id) {
  const std::size_t size = envelope.size();
  if (size <= kEnvelopeOverhead)
    fail_damaged(key_id, "too short",
                 "It has " + std::to_string(size) + " bytes, at least " +
                     std::to_string(kEnvelopeOverhead + 1) + " are needed.");
  if (size > kMaxEnvelopeSize)
    fail_damaged(key_id, "too long", bytes_over_limit(size, kMaxEnvelopeSize));
  if (envelope[0] != kVersion)
    fail_damaged(key_id, "of an unknown version",
                 "Found version " + std::to_string(std::to_integer<int>(envelope[0])) +
                     ", this release of pg_keypool knows version 1. The envelope is damaged, or "
                     "a later release wrote it.");
  std::uint32_t number = 0;
  for (const std::byte b : envelope.subspan(1, sizeof(number)))
    number = number << 8 | std::to_integer<std::uint32_t>(b);
  return {number, envelope.subspan<1 + sizeof(number), kNonceSize>(),
          envelope.subspan(kEnvelopeHeaderSize)};
}

std::vector<std::byte> seal_key(Aead& data_key, std::uint32_t key_number,
                                const KeyIdentity& identity, std::string_view secret) {
  if (secret.empty()) throw Error(ErrorCode::kInvalidKeyFormat, "secret is empty");
  if (secret.size() > kMaxSecretSize)
    throw Error(ErrorCode::kInvalidKeyFormat, "secret is too long",
                bytes_over_limit(secret.size(), kMaxSecretSize));
  std::array<std::byte, kMaxAadSize> aad;
  const std::size_t aad_size = write_aad(identity, aad);
  std::array<std::byte, kNonceSize> nonce;
  random_bytes(nonce);

  std::vector<std::byte> envelope(kEnvelopeOverhead + secret.size());
  Writer writer(envelope);
  writer.byte(kVersion);
  writer.big_endian(key_number);
  writer.bytes(nonce);
  data_key.seal(nonce, std::span(aad).first(aad_size), bytes_of(secret),
                std::span(envelope).subspan(writer.size()));
  return envelope;
}

std::size_t open_key(Aead& data_key, const EnvelopeView& envelope, const KeyIdentity& identity,
                     std::span<std::byte> out) {
  if (out.size() < envelope.secret_size())
    throw Error(ErrorCode::kInternal, "buffer is too small for the secret");
  std::array<std::byte, kMaxAadSize> aad;
  const std::size_t aad_size = write_aad(identity, aad);
  if (!data_key.open(envelope.nonce, std::span(aad).first(aad_size), envelope.body, out))
    fail_open(identity.key_id);
  return envelope.secret_size();
}

void reseal_key(Aead& old_key, Aead& new_key, std::uint32_t new_number, NonceView nonce,
                const KeyIdentity& identity, std::span<std::byte> envelope) {
  const EnvelopeView view = parse_envelope(envelope, identity.key_id);
  std::array<std::byte, kMaxAadSize> aad_bytes;
  const auto aad = std::span(aad_bytes).first(write_aad(identity, aad_bytes));
  struct Wiped {
    std::array<std::byte, kMaxSecretSize> bytes;
    ~Wiped() { wipe(bytes); }
  } secret;
  const auto plain = std::span(secret.bytes).first(view.secret_size());
  if (!old_key.open(view.nonce, aad, view.body, plain)) fail_open(identity.key_id);
  Writer writer(envelope);
  writer.byte(kVersion);
  writer.big_endian(new_number);
  writer.bytes(nonce);
  new_key.seal(nonce, aad, plain, envelope.subspan(writer.size()));
}

}  // namespace keypool::core
