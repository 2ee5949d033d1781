#include "core/root_key.hpp"

#include <string>

#include <gtest/gtest.h>

#include "core/cipher.hpp"
#include "core/error.hpp"

namespace keypool::core {
namespace {

// One key in all its forms.
constexpr std::string_view kHex =
    "00112233445566778899aabbccddeefffbeffefaf9f8f7f6f5f4f3f2f1f0efbf";
constexpr std::string_view kBase64 = "ABEiM0RVZneImaq7zN3u//vv/vr5+Pf29fTz8vHw778=";
constexpr std::string_view kBase64Url = "ABEiM0RVZneImaq7zN3u__vv_vr5-Pf29fTz8vHw778=";

std::string hex_of(const Secret& key) {
  std::string hex;
  for (const std::byte b : key.bytes()) {
    hex += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    hex += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}

Error refusal(std::string_view text) {
  try {
    parse_root_key(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRootKeyUnavailable);
    if (text.size() >= 8) {
      const auto said = error.message() + error.detail() + error.hint();
      EXPECT_EQ(said.find(text.substr(0, 8)), std::string::npos) << "it gives content away";
    }
    return error;
  }
  ADD_FAILURE() << "it was accepted";
  return Error(ErrorCode::kInternal, "it was accepted");
}

TEST(RootKey, IsAcceptedInEveryForm) {
  EXPECT_EQ(hex_of(parse_root_key(kHex)), kHex);
  EXPECT_EQ(hex_of(parse_root_key(kBase64)), kHex);
  EXPECT_EQ(hex_of(parse_root_key(kBase64Url)), kHex);
  EXPECT_EQ(hex_of(parse_root_key(kBase64Url.substr(0, 43))), kHex);
  EXPECT_EQ(hex_of(parse_root_key(parse_root_key(kHex).view())), kHex);
  EXPECT_EQ(
      hex_of(parse_root_key("00112233445566778899AABBCCDDEEFFFBEFFEFAF9F8F7F6F5F4F3F2F1F0EFBF")),
      kHex);
}

TEST(RootKey, TextMayEndInANewline) {
  EXPECT_EQ(hex_of(parse_root_key(std::string(kHex) + "\n")), kHex);
  EXPECT_EQ(hex_of(parse_root_key(std::string(kHex) + "\r\n")), kHex);
  EXPECT_EQ(hex_of(parse_root_key(std::string(kBase64) + "\n")), kHex);
}

TEST(RootKey, RawBytesThatEndInANewlineAreNotCut) {
  const std::string raw = std::string(31, 'r') + "\n";
  EXPECT_EQ(parse_root_key(raw).view(), raw);
}

TEST(RootKey, AnotherLengthIsRefusedWithTheNumberOfBytes) {
  for (const std::size_t size : {0u, 1u, 16u, 31u, 33u, 42u, 45u, 63u, 65u, 128u}) {
    const Error error = refusal(std::string(size, 'a'));
    EXPECT_EQ(error.message(), "root key has the wrong length");
    EXPECT_TRUE(error.detail().starts_with("Found " + std::to_string(size) + " bytes."));
  }
  refusal(std::string(kHex) + "\n\n");
}

TEST(RootKey, TheRightLengthWithWrongCharactersIsRefused) {
  std::string hex(kHex);
  hex[10] = 'g';
  EXPECT_EQ(refusal(hex).message(), "root key is malformed");
  std::string base64(kBase64);
  base64[10] = '*';
  EXPECT_EQ(refusal(base64).message(), "root key is malformed");
  base64 = kBase64;
  base64[42] = '9';  // carries bits beyond the 32 bytes
  EXPECT_EQ(refusal(base64).message(), "root key is malformed");
  base64 = kBase64;
  base64[43] = 'A';
  refusal(base64);
}

TEST(RootKey, ZerosAreRefusedInEveryForm) {
  EXPECT_EQ(refusal(std::string(32, '\0')).message(), "root key is all zeros");
  EXPECT_EQ(refusal(std::string(64, '0')).message(), "root key is all zeros");
  EXPECT_EQ(refusal(std::string(43, 'A') + "=").message(), "root key is all zeros");
}

TEST(RootKey, ANewOneIsALineOfHexThatParsesAndDiffersEachTime) {
  const Secret keys[] = {new_root_key()};
  const Secret text = root_keys_text(keys);
  EXPECT_EQ(text.size(), 65u);
  EXPECT_EQ(text.view().back(), '\n');
  EXPECT_EQ(hex_of(parse_root_key(text.view())), text.view().substr(0, 64));
  EXPECT_NE(new_root_key().view(), keys[0].view());
}

TEST(RootKeys, StandOneALineInAnyTextFormTheNewestFirst) {
  const std::string other(64, 'b');
  const auto keys = parse_root_keys(other + "\r\n\n" + std::string(kBase64) + "\n" + other + "\n");
  ASSERT_EQ(keys.size(), 2u) << "what stands there twice counts once";
  EXPECT_EQ(hex_of(keys[0]), other);
  EXPECT_EQ(keys[1].view(), parse_root_key(kBase64).view());
  // What is written reads back alike.
  const auto again = parse_root_keys(root_keys_text(keys).view());
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].view(), keys[0].view());
  EXPECT_EQ(again[1].view(), keys[1].view());
}

TEST(RootKeys, OneMayStillBeRaw) {
  const std::string raw = std::string(10, 'r') + "\n" + std::string(21, 's');
  const auto keys = parse_root_keys(raw);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].view(), raw);
}

TEST(RootKeys, AComplaintNamesTheLine) {
  const auto detail = [](const std::string& raw) {
    try {
      parse_root_keys(raw);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kRootKeyUnavailable);
      return error.detail();
    }
    ADD_FAILURE() << "nothing was thrown";
    return std::string();
  };
  const std::string good(64, 'b');
  EXPECT_TRUE(detail(good + "\nabc\n").starts_with("In line 2: Found 3 bytes."));
  EXPECT_TRUE(detail(good + "\n" + std::string(32, 'r') + "\n").starts_with("In line 2: "));
  EXPECT_TRUE(detail(std::string(64, '0') + "\n" + good).starts_with("In line 1: "));
  EXPECT_TRUE(detail("\n\n").starts_with("Found empty lines only."));
  EXPECT_EQ(detail(good + "\nabc\n").find("abc"), std::string::npos);
}

TEST(RootKeys, HaveAMostNumber) {
  std::vector<Secret> keys;
  for (std::size_t i = 0; i < kMostRootKeys; ++i) keys.push_back(new_root_key());
  const Secret most = root_keys_text(keys);
  EXPECT_EQ(parse_root_keys(most.view()).size(), kMostRootKeys);
  keys.push_back(new_root_key());
  const Secret more = root_keys_text(keys);
  EXPECT_THROW(parse_root_keys(more.view()), Error);
}

}  // namespace
}  // namespace keypool::core
