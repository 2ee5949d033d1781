// Arbitrary text as token, as key, as sealed secret and as password: refused, or opened to no more
// bytes than went in. Arbitrary bytes sealed into a token come out again, and in no other way.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/binary_text.hpp"
#include "core/fernet.hpp"
#include "core/password_seal.hpp"

namespace {

using namespace keypool::core;

constexpr std::array<std::byte, kKeySize> kKey{std::byte{1}, std::byte{2}};

void expect(bool fulfilled) {
  if (!fulfilled) std::abort();
}

void open_anything(std::string_view text, std::string_view key) {
  if (const auto plain = open_fernet(text, key)) expect(plain->size() < text.size());
  if (const auto plain = open_fernet(key, text)) expect(plain->size() < key.size());
  if (const auto plain = open_password_seal(text, "x")) expect(plain->size() < text.size());
  expect(!open_password_seal("AAAA", text));
}

// Text that can be read as bytes says the same when it is written and read again.
void read_anything(std::string_view text) {
  const auto bytes = from_base64(text);
  if (!bytes) return;
  const auto again = from_base64(to_base64_url(bytes->bytes()).view());
  expect(again && std::ranges::equal(again->bytes(), bytes->bytes()));
}

void round_trip(std::string_view plain, std::string_view key) {
  std::array<std::byte, kCbcBlockSize> iv{};
  const Micros now = 9'000 * kDay;
  const Secret token = seal_fernet(kKey, iv, now, plain);
  const auto opened = open_fernet(token.view(), key, FernetAge{now, 0});
  expect(opened && opened->view() == plain);
  expect(!open_fernet(token.view(), key, FernetAge{now + kSecond, 0}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Secret key = to_base64_url(kKey);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  open_anything(text, key.view());
  read_anything(text);
  round_trip(text, key.view());
  return 0;
}
