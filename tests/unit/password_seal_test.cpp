#include "core/password_seal.hpp"

#include <string>

#include <gtest/gtest.h>

#include "core/binary_text.hpp"
#include "core/cipher.hpp"

namespace keypool::core {
namespace {

std::string opened(std::string_view sealed, std::string_view password) {
  const auto plain = open_password_seal(sealed, password);
  return plain ? std::string(plain->view()) : "refused";
}

// Made by Python's cryptography: AESGCM(sha256(b"correct
// horse").digest()).encrypt(bytes(range(12)), b"sk-proj-hello", None), behind its nonce.
constexpr std::string_view kSealed = "AAECAwQFBgcICQoLfKzREHkrCQyBkW/eEGt5MqEikmJAytsRHssfRq4=";
constexpr std::string_view kSealedHex =
    "000102030405060708090a0b7cacd110792b090c81916fde106b7932a122926240cadb111ecb1f46ae";

TEST(PasswordSeal, OpensWhatOthersSealed) {
  EXPECT_EQ(opened(kSealed, "correct horse"), "sk-proj-hello");
}

TEST(PasswordSeal, OpensEveryTextForm) {
  std::string url(kSealed);
  for (char& c : url) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (url.ends_with('=')) url.pop_back();
  EXPECT_EQ(opened(url, "correct horse"), "sk-proj-hello");
  EXPECT_EQ(opened(kSealedHex, "correct horse"), "sk-proj-hello");
  EXPECT_EQ(opened("\\x" + std::string(kSealedHex), "correct horse"), "sk-proj-hello");
}

TEST(PasswordSeal, RefusesAnyOtherPasswordAndAnyChange) {
  EXPECT_EQ(opened(kSealed, "correct hors"), "refused");
  EXPECT_EQ(opened(kSealed, ""), "refused");
  const auto bytes = from_base64(kSealed);
  for (std::size_t at = 0; at < bytes->size(); ++at) {
    Secret changed(bytes->bytes());
    changed.bytes()[at] ^= std::byte{0x80};
    EXPECT_EQ(opened(to_base64_url(changed.bytes()).view(), "correct horse"), "refused") << at;
  }
}

TEST(PasswordSeal, RefusesWhatIsTooShortOrNoText) {
  for (const char* text : {"", "AAECAwQFBgcICQoL", "%", "\\x00", "===="})
    EXPECT_EQ(opened(text, "correct horse"), "refused") << text;
}

}  // namespace
}  // namespace keypool::core
