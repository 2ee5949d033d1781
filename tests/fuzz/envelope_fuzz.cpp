// Arbitrary bytes as an envelope: parsing and opening either answer or throw core's own error, and
// whatever does not authenticate shows nothing. The same bytes as a secret make the round trip.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/envelope.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"

namespace {

using namespace keypool::core;

void expect(bool fulfilled) {
  if (!fulfilled) std::abort();
}

void open_anything(Aead& data_key, const KeyIdentity& identity, std::span<const std::byte> input) {
  std::array<std::byte, kMaxSecretSize> out;
  out.fill(std::byte{0xab});
  try {
    const EnvelopeView view = parse_envelope(input, identity.key_id);
    expect(view.secret_size() <= kMaxSecretSize);
    const std::size_t size = open_key(data_key, view, identity, out);
    expect(size == view.secret_size());
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kDecryptionFailed);
    const bool untouched = out[0] == std::byte{0xab};  // the form was refused before decryption
    const std::byte all = untouched ? std::byte{0xab} : std::byte{0};
    expect(std::ranges::count(out, all) == std::ptrdiff_t{kMaxSecretSize});
  }
}

void round_trip(Aead& data_key, const KeyIdentity& identity, std::string_view secret) {
  const auto envelope = seal_key(data_key, 7, identity, secret);
  std::array<std::byte, kMaxSecretSize> out;
  const EnvelopeView view = parse_envelope(envelope, identity.key_id);
  expect(view.key_number == 7);
  expect(open_key(data_key, view, identity, out) == secret.size());
  expect(std::ranges::equal(std::span(out).first(secret.size()), bytes_of(secret)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Aead data_key{std::array<std::byte, kKeySize>{std::byte{9}}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  KeyIdentity identity{.key_id = 42, .provider = "openai", .owner_kind = "user", .owner = "u1"};
  open_anything(data_key, identity, bytes_of(text));
  identity.owner = text.substr(0, kMaxOwnerSize);
  if (!text.empty()) round_trip(data_key, identity, text.substr(0, kMaxSecretSize));
  return 0;
}
