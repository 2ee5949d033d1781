#include "core/scrub.hpp"

#include <ctime>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

using std::string_literals::operator""s;

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(Scrub, KeepsThePrefixOfEveryProvidersKey) {
  const Case cases[] = {
      {"sk-abcdefghijklmnopqrst12345", "sk-…[redacted]"},
      {"sk-proj-abcdefghijkl_mnopqrst-12345", "sk-proj-…[redacted]"},
      {"sk-svcacct-abcdefghijklmnopqrst", "sk-svcacct-…[redacted]"},
      {"sk-ant-api03-abcdefghijklmnop", "sk-ant-…[redacted]"},
      {"sk-or-v1-0123456789abcdef0123456789abcdef", "sk-or-v1-…[redacted]"},
      {"AIzaSyA-1234567890abcdefghijklmnopqrstuv", "AIza…[redacted]"},
      {"gsk_abcdefghijklmnop", "gsk_…[redacted]"},
      {"tgp_v1_abcdefghijklmnop", "tgp_v1_…[redacted]"},
      {"hf_abcdefghijklmnop", "hf_…[redacted]"},
      {"xai-abcdefghijklmnop", "xai-…[redacted]"},
      {"fw_abcdefghijklmnop", "fw_…[redacted]"},
      {"csk-abcdefghijklmnop", "csk-…[redacted]"},
      {"pplx-abcdefghijklmnop", "pplx-…[redacted]"},
      {"dev_local_dev@localhost_local_development", "dev_local_…[redacted]"},
  };
  for (const Case& c : cases) EXPECT_EQ(scrub(c.text), c.expected) << c.text;
}

TEST(Scrub, RemovesKeysWithoutPrefix) {
  const Case cases[] = {
      {"key 0123456789abcdef0123456789abcdef!", "key [redacted]!"},  // Azure, Together
      {"key AbCdEfGhIjKlMnOpQrStUvWxYz012345.", "key [redacted]."},  // Mistral
      {"abcdefghij0123456789ABCDEFGHIJ0123456789", "[redacted]"},    // Cohere
  };
  for (const Case& c : cases) EXPECT_EQ(scrub(c.text), c.expected) << c.text;
}

TEST(Scrub, FindsAKeyInsideItsSurroundings) {
  const Case cases[] = {
      {"Incorrect API key provided: sk-proj-abcdefgh12345678. You can find",
       "Incorrect API key provided: sk-proj-…[redacted]. You can find"},
      {"https://h/v1?key=AIzaSyA1234567890abcdef&x=1", "https://h/v1?key=AIza…[redacted]&x=1"},
      {"{\"k\":\"gsk_abcdefgh1234\"}", "{\"k\":\"gsk_…[redacted]\"}"},
      {"a\\nsk-abcdefghijklmnopqrst12345", "a\\nsk-…[redacted]"},
      {"key%3Dsk-abcdefghijklmnopqrst12345", "key%3Dsk-…[redacted]"},
      {"sk-abcdefgh1 and sk-ant-abcdefgh2", "sk-…[redacted] and sk-ant-…[redacted]"},
  };
  for (const Case& c : cases) EXPECT_EQ(scrub(c.text), c.expected) << c.text;
}

TEST(Scrub, LeavesOrdinaryTextAlone) {
  for (const std::string_view text :
       {"", "Rate limit reached for gpt-4o-mini in organization org-abc on tokens per min",
        "a task-force-for-interdepartmental-work",
        "request id 123e4567-e89b-12d3-a456-426614174000",
        "Incorrect API key provided: sk-****abcd", "half_open", "grüße, 世界 🙂"}) {
    EXPECT_EQ(scrub(text), text);
  }
}

TEST(Scrub, RemovesTheKnownSecretPlain) {
  EXPECT_EQ(scrub("got my+odd/secret= twice: my+odd/secret=", "my+odd/secret="),
            "got [redacted] twice: [redacted]");
}

TEST(Scrub, RemovesTheKnownSecretPercentEncoded) {
  EXPECT_EQ(scrub("?key=my%2Bodd%2fsecret%3D&x=1", "my+odd/secret="), "?key=[redacted]&x=1");
  EXPECT_EQ(scrub("%6d%79+odd%2Fsecret=", "my+odd/secret="), "[redacted]");
}

TEST(Scrub, RemovesTheKnownSecretInBase64AtEveryAlignment) {
  const std::string_view secret = "s3cret-value.42";
  struct Encoded {
    std::string_view before;  // what stands before the secret inside the encoding
    std::string_view text;
    std::string_view survivor;  // a piece of the encoding that must be gone
  };
  const Encoded cases[] = {
      {"", "czNjcmV0LXZhbHVlLjQy", "czNjcmV0"},
      {"u", "dXMzY3JldC12YWx1ZS40Mg==", "MzY3JldC12YWx1ZS40M"},
      {"u:", "dTpzM2NyZXQtdmFsdWUuNDI=", "zM2NyZXQtdmFsdWUuND"},
  };
  for (const Encoded& c : cases) {
    const std::string out = scrub("Basic " + std::string(c.text), secret);
    EXPECT_EQ(out.find(c.survivor), std::string::npos) << out;
    EXPECT_NE(out.find("[redacted]"), std::string::npos) << out;
  }
}

TEST(Scrub, RemovesTheKnownSecretInUrlSafeBase64) {
  const std::string secret = "\xfb\xff\xbf\xfb\xef\xbe\xff\xff"s;
  EXPECT_EQ(scrub("x=-_-_----__8", secret).find("-_-_--"), std::string::npos);
  EXPECT_EQ(scrub("x=+/+/++++//8", secret).find("+/+/++"), std::string::npos);
}

TEST(Scrub, KeepsThePrefixOfAKnownSecret) {
  EXPECT_EQ(scrub("no sk-proj-a.b.c.d.e.f.g here", "sk-proj-a.b.c.d.e.f.g"),
            "no sk-proj-…[redacted] here");
}

TEST(Scrub, MakesOneLineOfControlCharacters) {
  EXPECT_EQ(scrub("a\r\nb\tc\x1b[31m\0d\x7f"s), "a  b c [31m d ");
  EXPECT_EQ(scrub("a\xc2\x85z"), "a z") << "the second control range, U+0080 to U+009F";
}

TEST(Scrub, ReplacesBytesThatAreNotUtf8) {
  const Case cases[] = {
      {"a\xff", "a\uFFFD"},
      {"\xc0\xaf", "\uFFFD\uFFFD"},                      // overlong
      {"\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},            // surrogate
      {"\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},  // above U+10FFFF
      {"\xe2\x82", "\uFFFD\uFFFD"},                      // cut off
  };
  for (const Case& c : cases) EXPECT_EQ(scrub(c.text), c.expected);
}

// A text and a secret that look alike everywhere are the worst case of a search.
TEST(Scrub, TakesLinearTime) {
  const std::string secret(200, 'a');
  const auto time_for = [&](std::size_t size) {
    std::string text;
    while (text.size() < size) text += std::string(199, 'a') + "%61b";
    const std::clock_t start = std::clock();  // of this process: others may be busy
    const std::string out = scrub(text, secret);
    EXPECT_FALSE(out.empty());
    return static_cast<double>(std::clock() - start);
  };
  time_for(100'000);
  const double small = time_for(200'000);
  EXPECT_LT(time_for(2'000'000), small * 40)
      << "ten times the text, far less than 100 times as long";
}

TEST(Beginning, EndsBeforeAWordThatIsCut) {
  const std::string text(100, 'a');
  EXPECT_EQ(beginning(text, 10), text);  // not much longer: as it is
  const std::string words = std::string(5000, ' ') + std::string(50'000, 'k') + " end";
  const std::string_view start = beginning(words, 8000);
  EXPECT_EQ(start, std::string(4999, ' '));  // not one byte of the long word
  EXPECT_EQ(beginning(std::string(50'000, 'k'), 8000).size(), 8000U);
  EXPECT_EQ(beginning("", 0), "");
}

TEST(CutUtf8, NeverCutsACharacterInTwo) {
  std::string text = "aä€🙂";  // 1 + 2 + 3 + 4 bytes
  struct Cut {
    std::size_t at;
    std::string_view expected;
  };
  for (const Cut& c : {Cut{10, "aä€🙂"}, Cut{9, "aä€"}, Cut{6, "aä€"}, Cut{5, "aä"},
                       Cut{2, "a"}, Cut{0, ""}}) {
    std::string copy = text;
    cut_utf8(copy, c.at);
    EXPECT_EQ(copy, c.expected) << c.at;
  }
}

}  // namespace
}  // namespace keypool::core
