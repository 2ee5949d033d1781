// What keeping a cipher context between calls saves, and what opening an API key costs in all.
#include <array>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/cipher.hpp"
#include "core/envelope.hpp"
#include "core/keyring.hpp"
#include "core/secret.hpp"

namespace keypool::core {
namespace {

constexpr std::array<std::byte, kKeySize> kDataKey{std::byte{9}};
constexpr std::array<std::byte, kNonceSize> kNonce{};
constexpr std::string_view kSecret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLaB3d";
constexpr KeyIdentity kIdentity{
    .key_id = 42, .provider = "openai", .owner_kind = "user", .owner = "u1"};

static_assert(kSecret.size() == 60);

std::vector<std::byte> sealed_secret() {
  std::vector<std::byte> sealed(kSecret.size() + kTagSize);
  Aead(kDataKey).seal(kNonce, bytes_of("associated"), bytes_of(kSecret), sealed);
  return sealed;
}

// Both contexts of an Aead, of which opening needs one: an upper bound for a fresh context.
void open_with_fresh_context(benchmark::State& state) {
  const auto sealed = sealed_secret();
  std::array<std::byte, kSecret.size()> out;
  for (auto _ : state) {
    Aead aead(kDataKey);
    benchmark::DoNotOptimize(aead.open(kNonce, bytes_of("associated"), sealed, out));
  }
}
BENCHMARK(open_with_fresh_context);

void open_with_kept_context(benchmark::State& state) {
  const auto sealed = sealed_secret();
  std::array<std::byte, kSecret.size()> out;
  Aead aead(kDataKey);
  for (auto _ : state)
    benchmark::DoNotOptimize(aead.open(kNonce, bytes_of("associated"), sealed, out));
}
BENCHMARK(open_with_kept_context);

// As a pick does it: find the data key, write the associated data, open.
void open_key_from_keyring(benchmark::State& state) {
  Keyring ring{Secret(std::string_view("0123456789abcdef0123456789abcdef"))};
  ring.add(1, kDataPurpose, ring.wrap(1, kDataPurpose, kDataKey), ring.root_id());
  const auto envelope = seal_key(ring.data_key(1), 1, kIdentity, kSecret);
  std::array<std::byte, kMaxSecretSize> out;
  for (auto _ : state) {
    const EnvelopeView view = parse_envelope(envelope, kIdentity.key_id);
    benchmark::DoNotOptimize(open_key(ring.data_key(view.key_number), view, kIdentity, out));
  }
}
BENCHMARK(open_key_from_keyring);

void seal_one_key(benchmark::State& state) {
  Aead aead(kDataKey);
  for (auto _ : state) benchmark::DoNotOptimize(seal_key(aead, 1, kIdentity, kSecret));
}
BENCHMARK(seal_one_key);

void fingerprint_with_fresh_context(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(hmac_sha256(kDataKey, bytes_of(kSecret)));
}
BENCHMARK(fingerprint_with_fresh_context);

void fingerprint_with_kept_context(benchmark::State& state) {
  Hmac hmac(kDataKey);
  for (auto _ : state) benchmark::DoNotOptimize(hmac.of(bytes_of(kSecret)));
}
BENCHMARK(fingerprint_with_kept_context);

}  // namespace
}  // namespace keypool::core
