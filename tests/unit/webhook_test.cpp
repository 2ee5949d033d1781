#include "core/webhook.hpp"

#include <gtest/gtest.h>

#include "core/cipher.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"

namespace keypool::core {
namespace {

// What a check says, with message and detail in one line; empty: nothing.
template <typename Check>
std::string refusal(Check check) {
  try {
    check();
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message() + ": " + error.detail();
  }
}

std::string url_refusal(std::string_view url) {
  return refusal([&] { check_webhook_url(url); });
}

TEST(Webhook, TakesUrlsThatSayWhereToPost) {
  for (const char* url : {"https://example.com", "http://127.0.0.1:8080/hooks/ops?team=a@b",
                          "https://[::1]/x", "https://hooks.example.com/T0/B0/xyz"}) {
    EXPECT_EQ(url_refusal(url), "") << url;
  }
}

TEST(Webhook, RefusesUrlsThatDoNot) {
  for (const char* url : {"", "example.com", "ftp://example.com", "HTTPS://example.com", "https://",
                          "https:///path", "http://:80/", "https://a b", "https://a\nb",
                          "https://good.example\\@evil.example/", "file:///etc/passwd"}) {
    EXPECT_NE(url_refusal(url), "") << url;
  }
  EXPECT_NE(url_refusal("https://x/" + std::string(kMaxWebhookUrl, 'a')), "");
}

TEST(Webhook, RefusesCredentialsInAUrlAndDoesNotRepeatThem) {
  const std::string said = url_refusal("https://user:hunter22@example.com/");
  EXPECT_NE(said.find("holds credentials"), std::string::npos);
  EXPECT_EQ(said.find("hunter22"), std::string::npos);
}

TEST(Webhook, WantsASecretThatCannotBeGuessed) {
  const auto said = [](std::size_t size) {
    return refusal([&] { check_webhook_secret(std::string(size, 'q')); });
  };
  EXPECT_NE(said(0), "");
  EXPECT_EQ(said(15),
            "secret of a webhook has the wrong length: It has 15 bytes; 16 to 256 are "
            "allowed.");
  EXPECT_EQ(said(16), "");
  EXPECT_EQ(said(256), "");
  EXPECT_NE(said(257), "");
  EXPECT_LT(kSealedSecret.size(), kMinWebhookSecret) << "what the table shows is no secret";
}

TEST(Webhook, KnowsTheKindsOfAlerts) {
  EXPECT_EQ(refusal([] { check_webhook_events({"key_unhealthy", "budget_spent"}); }), "");
  EXPECT_NE(refusal([] { check_webhook_events({"budget_spend"}); }), "");
  EXPECT_NE(refusal([] { check_webhook_events({}); }), "");
}

TEST(Webhook, SignsTimestampAndBodyAsOthersDo) {
  // printf '1763715600.{"event":"raised"}' | openssl dgst -sha256 -hmac 0123456789abcdef
  EXPECT_EQ(sign_webhook("0123456789abcdef", "1763715600", R"({"event":"raised"})"),
            "sha256=c0879bf2d7516f9dababa11b135ce1e9bcb5b17460b29279ddb8be476c9e9aa1");
}

TEST(Webhook, TheTimestampIsSignedToo) {
  EXPECT_NE(sign_webhook("0123456789abcdef", "1763715600", "{}"),
            sign_webhook("0123456789abcdef", "1763715601", "{}"));
}

TEST(Webhook, ASecretOpensForItsWebhookOnly) {
  std::vector<std::byte> key(kKeySize, std::byte{7});
  Aead aead(key);
  const std::string secret = "0123456789abcdef";
  const auto envelope = seal_key(aead, 1, webhook_identity(5), secret);
  std::string opened(secret.size(), '\0');
  const auto out = std::as_writable_bytes(std::span(opened));
  const EnvelopeView view = parse_envelope(envelope, 5);
  open_key(aead, view, webhook_identity(5), out);
  EXPECT_EQ(opened, secret);
  EXPECT_THROW(open_key(aead, view, webhook_identity(6), out), Error);
  // Nor is it an API key of that number.
  EXPECT_THROW(open_key(aead, view, {.key_id = 5, .owner_kind = "system"}, out), Error);
}

}  // namespace
}  // namespace keypool::core
