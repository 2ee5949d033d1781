// A few of the specification's vectors stand here; its files run where the test data is.
#include "core/fernet.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/binary_text.hpp"

namespace keypool::core {
namespace {

constexpr std::string_view kKey = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
constexpr std::string_view kToken =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4I"
    "wqDA==";
constexpr Micros kMadeAt = kUnixEpoch + 499'162'800 * kSecond;  // 1985-10-26 01:20:00 -07:00

std::string opened(std::string_view token, std::string_view key,
                   std::optional<FernetAge> age = {}) {
  const auto plain = open_fernet(token, key, age);
  return plain ? std::string(plain->view()) : "refused";
}

std::string hex_of(std::string_view base64) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto bytes = from_base64(base64);
  std::string hex;
  for (const std::byte b : bytes->bytes()) {
    hex += kDigits[std::to_integer<unsigned>(b) >> 4];
    hex += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}

TEST(Fernet, OpensATokenOfTheSpecificationHoweverOld) { EXPECT_EQ(opened(kToken, kKey), "hello"); }

TEST(Fernet, OpensTokensInEveryTextForm) {
  const std::string token(kToken);
  const std::string bare = token.substr(0, token.find('='));
  std::string standard = token;
  for (char& c : standard) c = c == '-' ? '+' : c == '_' ? '/' : c;
  EXPECT_EQ(opened(bare, kKey.substr(0, 43)), "hello");
  EXPECT_EQ(opened(standard, kKey), "hello");
  EXPECT_EQ(opened(token.substr(0, 76) + "\r\n" + token.substr(76) + "\n", kKey), "hello");
  EXPECT_EQ(opened("\\x" + hex_of(kToken), hex_of(kKey)), "hello");
}

TEST(Fernet, RefusesWhateverHasChanged) {
  const auto bytes = from_base64(kToken);
  for (std::size_t at = 0; at < bytes->size(); ++at) {
    Secret changed(bytes->bytes());
    changed.bytes()[at] ^= std::byte{1};
    EXPECT_EQ(opened(to_base64_url(changed.bytes()).view(), kKey), "refused") << "byte " << at;
  }
  for (std::size_t size = 0; size < kToken.size(); ++size) {
    if (kToken.substr(size).find_first_not_of('=') == std::string_view::npos) break;
    EXPECT_EQ(opened(kToken.substr(0, size), kKey), "refused") << "cut to " << size;
  }
  EXPECT_EQ(opened(kToken, std::string(43, 'A') + "="), "refused");
}

TEST(Fernet, RefusesWhatIsNoKeyOrNoToken) {
  for (const char* text : {"", "=", "====", "hello", "gAAAA", "\\x", "0x", "%%%%"}) {
    EXPECT_EQ(opened(text, kKey), "refused") << text;
    EXPECT_EQ(opened(kToken, text), "refused") << text;
  }
  EXPECT_EQ(opened(std::string(kToken) + "=", kKey), "refused");
  EXPECT_EQ(opened(kToken, std::string(kKey) + "AAAA"), "refused");
  EXPECT_EQ(opened(std::string_view("gA\0AA", 5), kKey), "refused");
}

TEST(Fernet, LimitsTheAgeWhenAskedTo) {
  const auto at = [](Micros after) { return FernetAge{kMadeAt + after, kMinute}; };
  EXPECT_EQ(opened(kToken, kKey, at(0)), "hello");
  EXPECT_EQ(opened(kToken, kKey, at(kMinute)), "hello");
  EXPECT_EQ(opened(kToken, kKey, at(kMinute + 1)), "refused");
  EXPECT_EQ(opened(kToken, kKey, at(-kFernetClockSkew)), "hello");
  EXPECT_EQ(opened(kToken, kKey, at(-kFernetClockSkew - kSecond)), "refused");
}

TEST(Fernet, OpensWhatItSealed) {
  const auto key = from_base64(kKey);
  Secret iv(kCbcBlockSize);
  for (const std::size_t size : {0, 1, 15, 16, 17, 256, 5000}) {
    const std::string plain(size, 'k');
    random_bytes(iv.bytes());
    const Secret token = seal_fernet(std::span<const std::byte, kKeySize>(key->bytes()),
                                     CbcIvView(iv.bytes()), kMadeAt, plain);
    EXPECT_EQ(opened(token.view(), kKey), plain);
  }
}

// "1985-10-26T01:20:01-07:00", the one form the files have.
Micros moment(const std::string& text) {
  std::tm parts{};
  int offset_hours = 0;
  EXPECT_EQ(
      std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d%d:00", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &offset_hours),
      7);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return kUnixEpoch + (timegm(&parts) - offset_hours * 3600) * kSecond;
}

class FernetVectors : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* set = std::getenv("KEYPOOL_TEST_DATA");
    const std::string folder = set != nullptr ? set : KEYPOOL_SOURCE_DIR "/../shared/data";
    std::ifstream file(folder + "/vectors/fernet_" + GetParam() + ".json");
    if (!file) GTEST_SKIP() << "no vectors: set KEYPOOL_TEST_DATA to the test data's folder";
    cases = nlohmann::json::parse(file);
    ASSERT_FALSE(cases.empty());
  }

  static FernetAge age(const nlohmann::json& c) {
    return {moment(c["now"]), c["ttl_sec"].get<std::int64_t>() * kSecond};
  }

  nlohmann::json cases;
};

TEST_P(FernetVectors, Pass) {
  const std::string kind = GetParam();
  for (const auto& c : cases) {
    const std::string token = c["token"];
    const std::string key = c["secret"];
    if (kind == "generate") {
      const auto iv = c["iv"].get<std::vector<std::uint8_t>>();
      const auto key_bytes = from_base64(key);
      const std::string plain = c["src"];
      const Secret made =
          seal_fernet(std::span<const std::byte, kKeySize>(key_bytes->bytes()),
                      CbcIvView(std::as_bytes(std::span(iv))), moment(c["now"]), plain);
      EXPECT_EQ(made.view(), token);
    } else {
      EXPECT_EQ(opened(token, key, age(c)), kind == "verify" ? c["src"] : "refused")
          << c.value("desc", "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Specification, FernetVectors,
                         testing::Values("generate", "verify", "invalid"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace keypool::core
