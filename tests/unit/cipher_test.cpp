// Built-in vectors of the standards always run; the Wycheproof files run where the test data is.
#include "core/cipher.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/secret.hpp"

namespace keypool::core {
namespace {

using Bytes = std::vector<std::byte>;

Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const std::byte b : bytes) {
    hex += kDigits[std::to_integer<unsigned>(b) >> 4];
    hex += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}

NonceView nonce_of(const Bytes& bytes) { return NonceView(bytes.data(), kNonceSize); }

std::string sealed_hex(Aead& aead, const Bytes& nonce, const Bytes& aad, const Bytes& plain) {
  Bytes out(plain.size() + kTagSize);
  aead.seal(nonce_of(nonce), aad, plain, out);
  return to_hex(out);
}

std::string hkdf_hex(const Bytes& key, const Bytes& salt, const Bytes& info, std::size_t size) {
  Bytes out(size);
  hkdf_sha256(key, salt, info, out);
  return to_hex(out);
}

// Test cases 14 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)".
TEST(Cipher, AgreesWithTheGcmSpecification) {
  Aead zero_key(Bytes(32));
  EXPECT_EQ(sealed_hex(zero_key, Bytes(12), {}, Bytes(16)),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");

  Aead aead(from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
  EXPECT_EQ(sealed_hex(aead, from_hex("cafebabefacedbaddecaf888"),
                       from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
                       from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b");
}

TEST(Cipher, AgreesWithRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(Bytes(20, std::byte{0x0b}), bytes_of("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256(bytes_of("Jefe"), bytes_of("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(Bytes(131, std::byte{0xaa}),
                               bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Cipher, AgreesWithRfc5869) {
  const Bytes key(22, std::byte{0x0b});
  EXPECT_EQ(
      hkdf_hex(key, from_hex("000102030405060708090a0b0c"), from_hex("f0f1f2f3f4f5f6f7f8f9"), 42),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(hkdf_hex(key, {}, {}, 42),  // no salt, no info
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Cipher, Sha256AgreesWithFips180) {
  EXPECT_EQ(to_hex(sha256(bytes_of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// F.2.1 of NIST SP 800-38A, whose four blocks are followed by one of padding here.
TEST(Cipher, CbcAgreesWithNist) {
  const Bytes key = from_hex("2b7e151628aed2a6abf7158809cf4f3c");
  const Bytes iv = from_hex("000102030405060708090a0b0c0d0e0f");
  const Bytes plain = from_hex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
  const Secret cipher = encrypt_cbc(CbcKeyView(key), CbcIvView(iv), plain);
  EXPECT_EQ(to_hex(cipher.bytes().first(plain.size())),
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
            "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7");
  const auto opened = decrypt_cbc(CbcKeyView(key), CbcIvView(iv), cipher.bytes());
  ASSERT_TRUE(opened);
  EXPECT_EQ(to_hex(opened->bytes()), to_hex(plain));
  // Without its padding it ends in what is none.
  EXPECT_FALSE(decrypt_cbc(CbcKeyView(key), CbcIvView(iv), cipher.bytes().first(plain.size())));
  EXPECT_FALSE(decrypt_cbc(CbcKeyView(key), CbcIvView(iv), cipher.bytes().first(17)));
  EXPECT_FALSE(decrypt_cbc(CbcKeyView(key), CbcIvView(iv), {}));
}

TEST(Cipher, HmacOfNothingIsDefined) {
  EXPECT_EQ(to_hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Cipher, KeptHmacGivesTheSameAnswerEveryTime) {
  Hmac hmac(bytes_of("Jefe"));
  const auto data = bytes_of("what do ya want for nothing?");
  const Digest first = hmac.of(data);
  EXPECT_NE(hmac.of(bytes_of("something else")), first);
  EXPECT_EQ(hmac.of(data), first);
  EXPECT_EQ(first, hmac_sha256(bytes_of("Jefe"), data));
}

TEST(Cipher, OpensWhatItSealedAlsoAfterAFailure) {
  Aead aead(Bytes(32, std::byte{7}));
  const Bytes nonce(12, std::byte{1});
  Bytes sealed(5 + kTagSize);
  aead.seal(nonce_of(nonce), bytes_of("aad"), bytes_of("hello"), sealed);
  Secret out(5);
  EXPECT_TRUE(aead.open(nonce_of(nonce), bytes_of("aad"), sealed, out.bytes()));
  EXPECT_EQ(out.view(), "hello");
  EXPECT_FALSE(aead.open(nonce_of(nonce), bytes_of("add"), sealed, out.bytes()));
  EXPECT_TRUE(aead.open(nonce_of(nonce), bytes_of("aad"), sealed, out.bytes()));
  EXPECT_EQ(out.view(), "hello");
}

TEST(Cipher, ShowsNothingOfAMessageThatFailsToAuthenticate) {
  Aead aead(Bytes(32, std::byte{7}));
  const Bytes nonce(12);
  Bytes sealed(5 + kTagSize);
  aead.seal(nonce_of(nonce), {}, bytes_of("hello"), sealed);
  sealed.back() ^= std::byte{1};
  Secret out(std::string_view("left over from before"));
  EXPECT_FALSE(aead.open(nonce_of(nonce), {}, sealed, out.bytes()));
  EXPECT_EQ(out.view(), std::string(out.size(), '\0'));
}

TEST(Cipher, RefusesImpossibleSizes) {
  EXPECT_THROW(Aead(Bytes(31)), Error);
  EXPECT_THROW(Aead(Bytes(33)), Error);
  Aead aead(Bytes(32));
  const Bytes nonce(12);
  Bytes out(20);
  EXPECT_THROW(aead.seal(nonce_of(nonce), {}, bytes_of("hello"), out), Error);
  EXPECT_FALSE(aead.open(nonce_of(nonce), {}, Bytes(kTagSize - 1), out));
  EXPECT_FALSE(aead.open(nonce_of(nonce), {}, Bytes(kTagSize + 21), out));
}

TEST(Cipher, RandomBytesDiffer) {
  Bytes a(32), b(32);
  random_bytes(a);
  random_bytes(b);
  EXPECT_NE(a, b);
  random_bytes({});
}

TEST(Cipher, ComparesContentAndSize) {
  EXPECT_TRUE(equal_constant_time(bytes_of("abc"), bytes_of("abc")));
  EXPECT_FALSE(equal_constant_time(bytes_of("abc"), bytes_of("abd")));
  EXPECT_FALSE(equal_constant_time(bytes_of("abc"), bytes_of("ab")));
  EXPECT_TRUE(equal_constant_time({}, {}));
}

// Every test below skips, and says so, where the test data is not.
class Wycheproof : public testing::Test {
 protected:
  // `name` is the file's; `check` sees each group and each of its tests.
  template <typename Check>
  void for_each_case(const char* name, Check check) {
    const char* set = std::getenv("KEYPOOL_TEST_DATA");
    const std::filesystem::path folder =
        set != nullptr ? set : KEYPOOL_SOURCE_DIR "/../shared/data";
    std::ifstream file(folder / "vectors" / name);
    if (!file) GTEST_SKIP() << "no " << name << ": set KEYPOOL_TEST_DATA to the test data's folder";
    const auto document = nlohmann::json::parse(file);
    for (const auto& group : document.at("testGroups"))
      for (const auto& test : group.at("tests")) {
        SCOPED_TRACE("tcId " + std::to_string(test.at("tcId").get<int>()) + " " +
                     test.at("comment").get<std::string>());
        check(group, test);
      }
    EXPECT_GT(valid_, 0);
    EXPECT_GT(invalid_, 0);
  }

  static Bytes bytes(const nlohmann::json& test, const char* field) {
    return from_hex(test.at(field).get<std::string>());
  }

  // Counted, so that a filter that matches nothing cannot pass.
  bool is_valid(const nlohmann::json& test) {
    const bool valid = test.at("result") == "valid";
    ++(valid ? valid_ : invalid_);
    return valid;
  }

 private:
  int valid_ = 0;
  int invalid_ = 0;
};

TEST_F(Wycheproof, AesGcm) {
  for_each_case("wycheproof_aes_gcm_test.json", [&](const auto& group, const auto& test) {
    // The only sizes that are used here; the types admit no other.
    if (group.at("keySize") != 256 || group.at("ivSize") != 96 || group.at("tagSize") != 128)
      return;
    Aead aead(bytes(test, "key"));
    const Bytes nonce = bytes(test, "iv");
    const Bytes aad = bytes(test, "aad");
    const Bytes plain = bytes(test, "msg");
    Bytes sealed = bytes(test, "ct");
    for (const std::byte b : bytes(test, "tag")) sealed.push_back(b);
    const bool valid = is_valid(test);
    Bytes opened(plain.size());
    EXPECT_EQ(aead.open(nonce_of(nonce), aad, sealed, opened), valid);
    EXPECT_EQ(opened, valid ? plain : Bytes(plain.size()));
    EXPECT_EQ(sealed_hex(aead, nonce, aad, plain) == to_hex(sealed), valid);
  });
}

TEST_F(Wycheproof, HmacSha256) {
  for_each_case("wycheproof_hmac_sha256_test.json", [&](const auto& group, const auto& test) {
    const Digest digest = hmac_sha256(bytes(test, "key"), bytes(test, "msg"));
    const auto size = group.at("tagSize").template get<std::size_t>() / 8;
    const bool equal = equal_constant_time(std::span(digest).first(size), bytes(test, "tag"));
    EXPECT_EQ(equal, is_valid(test));
  });
}

TEST_F(Wycheproof, HkdfSha256) {
  for_each_case("wycheproof_hkdf_sha256_test.json", [&](const auto&, const auto& test) {
    const auto derive = [&] {
      return hkdf_hex(bytes(test, "ikm"), bytes(test, "salt"), bytes(test, "info"),
                      test.at("size").template get<std::size_t>());
    };
    if (is_valid(test))
      EXPECT_EQ(derive(), test.at("okm"));
    else
      EXPECT_THROW(derive(), Error);
  });
}

}  // namespace
}  // namespace keypool::core
