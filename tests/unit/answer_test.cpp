#include "core/answer.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;
using enum FailureClass;

Verdict judge(int status, std::string_view body, std::string_view error_type = {},
              const std::vector<HeaderField>& headers = {}) {
  return classify(Answer{.http_status = status,
                         .error_type = error_type,
                         .body = body,
                         .headers = headers,
                         .known_secret = {}},
                  kNow);
}

struct Case {
  int status;
  std::string_view body;
  FailureClass expected;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(name(judge(c.status, c.body).failure), name(c.expected)) << c.status << " " << c.body;
  }
}

constexpr std::string_view kGeminiLimit = R"({"error":{"code":429,
  "message":"You exceeded your current quota, please check your plan and billing details.",
  "status":"RESOURCE_EXHAUSTED","details":[
    {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{
      "quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
      "quotaDimensions":{"location":"global","model":"gemini-2.0-flash"}}]},
    {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}})";

// ---- the rows of the failure table ----

TEST(Classify, CallerFault) {
  expect_all({
      {400, "", kCallerFault},
      {400, R"({"error":{"message":"bad","type":"invalid_request_error"}})", kCallerFault},
      {404, "404 page not found", kCallerFault},
      {404, R"({"error":{"message":"Invalid URL (GET /v1/models/x/y).",
                "type":"invalid_request_error"}})",
       kCallerFault},
      {409, "", kCallerFault},
      {413, R"({"type":"error","error":{"type":"request_too_large","message":"too big"}})",
       kCallerFault},
      {415, "", kCallerFault},
      {422, R"({"detail":[{"msg":"field required"}]})", kCallerFault},
  });
}

TEST(Classify, Credential) {
  expect_all({
      {401, "", kCredential},
      {401, "<html>401</html>", kCredential},
      {401, R"({"error":{"message":"Incorrect API key provided: sk-****","type":
                "invalid_request_error","code":"invalid_api_key"}})",
       kCredential},
      {401, R"({"type":"error","error":{"type":"authentication_error","message":
                "invalid x-api-key"}})",
       kCredential},
      {401, R"({"error":{"message":"Authentication Fails","type":"authentication_error",
                "code":"invalid_request_error"}})",
       kCredential},
      {400, R"({"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT",
                "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
                "reason":"API_KEY_INVALID"}]}})",
       kCredential},
      {400, R"([{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[
                {"@type":"x/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}])",
       kCredential},
      {400, R"({"code":"Client specified an invalid argument","error":
                "Incorrect API key provided: xa***."})",
       kCredential},
      {403, R"({"type":"error","error":{"type":"permission_error","message":
                "Your API key does not have permission to use the specified resource."}})",
       kCredential},
      {403, R"({"error":{"code":403,"message":"Your API key was reported as leaked.",
                "status":"PERMISSION_DENIED"}})",
       kCredential},
  });
}

TEST(Classify, Quota) {
  expect_all({
      {402, "", kQuota},
      {402, R"({"error":{"message":"Insufficient Balance","type":"unknown_error",
                "code":"invalid_request_error"}})",
       kQuota},
      {429, R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota",
                "code":"insufficient_quota"}})",
       kQuota},
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":
                "Your credit balance is too low to access the Anthropic API."}})",
       kQuota},
      {400, R"({"error":{"message":"Billing hard limit has been reached","type":
                "invalid_request_error","code":"billing_hard_limit_reached"}})",
       kQuota},
      {429, R"({"error":{"type":"billing_hard_limit_reached"}})", kQuota},
  });
}

TEST(Classify, RateLimit) {
  expect_all({
      {429, "", kRateLimit},
      {429, "Too Many Requests", kRateLimit},
      {429, R"({"error":{"message":"Rate limit reached","type":"requests",
                "code":"rate_limit_exceeded"}})",
       kRateLimit},
      {429, R"({"type":"error","error":{"type":"rate_limit_error","message":"slow"}})", kRateLimit},
      {429, kGeminiLimit, kRateLimit},
  });
}

TEST(Classify, Overloaded) {
  expect_all({
      {529, "", kOverloaded},
      {529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
       kOverloaded},
  });
  EXPECT_EQ(judge(503, "", "", {{"Retry-After", "5"}}).failure, kOverloaded);
}

TEST(Classify, Transient) {
  expect_all({
      {408, "", kTransient},
      {500, R"({"error":{"message":"The server had an error","type":"server_error"}})", kTransient},
      {500, R"({"type":"error","error":{"type":"api_error","message":"Internal"}})", kTransient},
      {502, "<html><h1>502 Bad Gateway</h1></html>", kTransient},
      {503, R"({"error":{"code":503,"message":"The model is overloaded.",
                "status":"UNAVAILABLE"}})",
       kTransient},
      {504, "", kTransient},
      {522, "", kTransient},
  });
}

TEST(Classify, TransportWordsWithoutAStatusAreTransient) {
  for (const std::string_view word :
       {"timeout", "timed_out", "connection_error", "connect_timeout", "APITimeoutError",
        "APIConnectionError", "ReadTimeout", "ConnectionResetError", "ECONNRESET", "tls_error",
        "dns_error", "server_error", "read timed out"}) {
    EXPECT_EQ(name(judge(0, "", word).failure), "transient") << word;
  }
}

TEST(Classify, ModelAccess) {
  expect_all({
      {404,
       R"({"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.",
                "type":"invalid_request_error","code":"model_not_found"}})",
       kModelAccess},
      {404, R"({"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}})",
       kModelAccess},
      {404, R"({"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta",
                "status":"NOT_FOUND"}})",
       kModelAccess},
      {404, R"({"error":"model 'x' not found"})", kModelAccess},
      {403, R"({"error":{"message":"Project does not have access to model gpt-5",
                "type":"invalid_request_error","code":"model_not_found"}})",
       kModelAccess},
      {403, R"({"error":{"type":"permission_error","message":"no access to model gpt-5"}})",
       kModelAccess},
      {403, R"({"error":{"message":"not allowed","param":"model"}})", kModelAccess},
  });
}

TEST(Classify, RegionBlocked) {
  expect_all({
      {403, R"({"error":{"code":"unsupported_country_region_territory","message":
                "Country, region, or territory not supported","type":"request_forbidden"}})",
       kRegionBlocked},
      {400, R"({"error":{"code":400,"message":"User location is not supported for the API use.",
                "status":"FAILED_PRECONDITION"}})",
       kRegionBlocked},
  });
}

TEST(Classify, AnythingElseIsUnknown) {
  expect_all({
      {0, "", kUnknown},
      {302, "", kUnknown},
      {403, "", kUnknown},
      {403, "<html>Attention required</html>", kUnknown},
      {418, "", kUnknown},
      {-7, "", kUnknown},
      {99999, "", kUnknown},
  });
  EXPECT_EQ(judge(0, "", "something odd").failure, kUnknown);
}

// ---- no failure ----

TEST(Classify, SuccessIsNoFailure) {
  expect_all({
      {200, "", kNone},
      {204, "", kNone},
      {200, R"({"choices":[{"message":{"content":"hi"}}],"error":null})", kNone},
      {200, R"({"id":"x","error":{}})", kNone},
      {200, "not json", kNone},
  });
}

TEST(Classify, WhatAModelSaysIsNoFailure) {
  expect_all({
      {200, R"({"message":"insufficient_quota","code":"invalid_api_key","type":"message"})", kNone},
      {200, "Your credit balance is too low", kNone},
  });
}

TEST(Classify, AnErrorInA200Counts) {
  expect_all({
      {200, R"({"error":{"code":429,"message":"slow down"}})", kRateLimit},
      {200, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
       kOverloaded},
      {200, R"({"error":{"message":"something"}})", kUnknown},
  });
  EXPECT_EQ(judge(200, "", "timeout").failure, kTransient) << "the answer broke off midway";
}

// ---- what the caller says ----

TEST(Classify, AClassNameFromTheCallerIsEnough) {
  for (const auto failure : {kCallerFault, kCredential, kQuota, kRateLimit, kOverloaded, kTransient,
                             kModelAccess, kRegionBlocked}) {
    EXPECT_EQ(name(judge(0, "", name(failure)).failure), name(failure));
  }
}

TEST(Classify, ProvidersCodesFromTheCallerAreUnderstood) {
  struct Word {
    std::string_view text;
    FailureClass expected;
  };
  const Word words[] = {
      {"authentication_error", kCredential},
      {"invalid_api_key", kCredential},
      {"insufficient_quota", kQuota},
      {"rate_limit_error", kRateLimit},
      {"RateLimitError", kRateLimit},
      {"RESOURCE_EXHAUSTED", kRateLimit},
      {"overloaded_error", kOverloaded},
      {"model_not_found", kModelAccess},
      {"invalid_request_error", kCallerFault},
      {"BadRequestError", kCallerFault},
      {"permission_error", kCredential},
      {"not_found_error", kCallerFault},
      {"unsupported_country_region_territory", kRegionBlocked},
      {"API_KEY_INVALID", kCredential},
      {"AuthenticationError", kCredential},
  };
  for (const Word& word : words) {
    EXPECT_EQ(name(judge(0, "", word.text).failure), name(word.expected)) << word.text;
  }
}

TEST(Classify, TheCallersClassWinsOverTheStatus) {
  EXPECT_EQ(judge(429, "", "quota").failure, kQuota);
  EXPECT_EQ(judge(400, "", "rate_limit").failure, kRateLimit);
  EXPECT_EQ(judge(200, "", "rate_limit").failure, kRateLimit);
}

TEST(Classify, AnUnmistakableBodyWinsOverTheCallersClass) {
  EXPECT_EQ(judge(429, R"({"error":{"code":"insufficient_quota"}})", "rate_limit").failure, kQuota);
}

TEST(Classify, TheStatusWinsOverAGenericWord) {
  EXPECT_EQ(judge(429, "", "server_error").failure, kRateLimit);
  EXPECT_EQ(judge(401, "", "invalid_request_error").failure, kCredential);
}

TEST(Classify, WordsThatSayNothingLeaveItToTheStatus) {
  EXPECT_EQ(judge(429, "", "unknown").failure, kRateLimit);
  EXPECT_EQ(judge(429, "", "none").failure, kRateLimit);
  EXPECT_EQ(judge(200, "", "none").failure, kNone);
}

// ---- whose fault ----

TEST(Classify, ACallersTextQuotedBackCannotDisableAKey) {
  expect_all({
      {400, R"({"error":{"type":"invalid_request_error","message":
                "Invalid value: 'Your credit balance is too low'"}})",
       kCallerFault},
      {400, "bad prompt: invalid_api_key insufficient_quota", kCallerFault},
      {422, R"({"detail":"input was: incorrect api key provided"})", kCallerFault},
  });
}

TEST(Classify, GarbageLeavesItToTheStatus) {
  const std::string deep(100'000, '[');
  const std::string huge =
      R"({"error":{"code":"insufficient_quota","message":")" + std::string(100'000, 'x') + "\"}}";
  expect_all({
      {500, deep, kTransient},
      {429, huge, kRateLimit},
      {429, R"({"error":{"code":"insuffic)", kRateLimit},
      {429, R"({"error":[1,2,{"code":"insufficient_quota"}]})", kRateLimit},
      {429, "\xff\xfe\x00\x01", kRateLimit},
      {429, R"({"error":{"code":1e999}})", kRateLimit},
  });
}

TEST(Classify, AStatusInTheBodyStandsInForAMissingOne) {
  expect_all({
      {0, R"({"error":{"code":402,"message":"no money"}})", kQuota},
      {0, R"({"error":{"code":"401","message":"Access denied"}})", kCredential},
      {500, R"({"error":{"code":402}})", kTransient},
  });
}

// ---- until when ----

TEST(RetryAt, ComesFromTheHeaderBeforeTheBody) {
  EXPECT_EQ(judge(429, kGeminiLimit).retry_at, kNow + 34 * kSecond);
  EXPECT_EQ(judge(429, kGeminiLimit, "", {{"retry-after", "7"}}).retry_at, kNow + 7 * kSecond);
}

TEST(RetryAt, FallsBackToTheResetOfTheTightestLimit) {
  const Verdict verdict = judge(429, "", "",
                                {{"x-ratelimit-limit-requests", "100"},
                                 {"x-ratelimit-remaining-requests", "99"},
                                 {"x-ratelimit-reset-requests", "1h"},
                                 {"x-ratelimit-limit-tokens", "1000"},
                                 {"x-ratelimit-remaining-tokens", "0"},
                                 {"x-ratelimit-reset-tokens", "6s"}});
  EXPECT_EQ(verdict.retry_at, kNow + 6 * kSecond);
}

TEST(RetryAt, IsUnknownWhenNobodyTells) {
  EXPECT_EQ(judge(429, "").retry_at, std::nullopt);
  EXPECT_EQ(judge(529, "").retry_at, std::nullopt);
}

TEST(RetryAt, IsCappedAtADay) {
  EXPECT_EQ(judge(429, R"({"error":{"details":[{"@type":"x.RetryInfo","retryDelay":"99999h"}]}})")
                .retry_at,
            kNow + kDay);
}

TEST(RetryAt, IsOnlyForFailuresThatPass) {
  const std::vector<HeaderField> headers = {{"retry-after", "7"}};
  EXPECT_EQ(judge(401, "", "", headers).retry_at, std::nullopt);
  EXPECT_EQ(judge(402, "", "", headers).retry_at, std::nullopt);
  EXPECT_EQ(judge(400, "", "", headers).retry_at, std::nullopt);
  EXPECT_EQ(judge(200, "", "", headers).retry_at, std::nullopt);
  EXPECT_EQ(judge(503, "", "", headers).retry_at, kNow + 7 * kSecond);
  EXPECT_EQ(judge(500, "", "", headers).retry_at, kNow + 7 * kSecond);
}

// ---- for which model ----

TEST(ForModel, IsTrueWhereTheLimitIsPerModel) {
  EXPECT_TRUE(judge(429, kGeminiLimit).for_model);
  EXPECT_TRUE(judge(429, R"({"error":{"code":"rate_limit_exceeded","message":
    "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): limit 30000"}})")
                  .for_model);
  EXPECT_TRUE(judge(404, R"({"error":{"code":"model_not_found"}})").for_model);
}

TEST(ForModel, IsFalseWhereTheWholeKeyIsConcerned) {
  EXPECT_FALSE(judge(429, "").for_model);
  EXPECT_FALSE(judge(429, R"({"error":{"message":"Rate limit reached for requests"}})").for_model);
  EXPECT_FALSE(judge(401, R"({"error":{"message":"no model for you"}})").for_model);
}

// ---- what is kept of it ----

TEST(Code, IsTheProvidersMostSpecificWord) {
  EXPECT_EQ(judge(400, R"({"error":{"status":"INVALID_ARGUMENT","details":[
    {"@type":"x.ErrorInfo","reason":"API_KEY_INVALID"}]}})")
                .code,
            "api_key_invalid");
  EXPECT_EQ(
      judge(401, R"({"error":{"type":"invalid_request_error","code":"invalid_api_key"}})").code,
      "invalid_api_key");
  EXPECT_EQ(judge(0, "", "timeout").code, "timeout");
  EXPECT_EQ(judge(500, "").code, "");
}

TEST(Code, IsBoundedAndPlain) {
  const std::string body = R"({"error":{"code":"A b\n<é>\u0000)" + std::string(500, 'Z') + "-\"}}";
  const std::string code = judge(500, body).code;
  EXPECT_LE(code.size(), 64U);
  EXPECT_EQ(code.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-"), std::string::npos)
      << code;
}

TEST(Code, NeverHoldsAKey) {
  const std::string code = judge(500, R"({"error":{"code":"sk-proj-abcdefgh12345678"}})").code;
  EXPECT_EQ(code.find("abcdefgh"), std::string::npos) << code;
}

TEST(Message, IsScrubbedAndBounded) {
  const std::string body =
      R"({"error":{"message":"Incorrect API key provided: sk-proj-abcdefgh12345678.\nSee )" +
      std::string(300, '.') + "\"}}";
  const std::string message = judge(401, body).message;
  EXPECT_TRUE(message.starts_with("Incorrect API key provided: sk-proj-…[redacted]. See .."))
      << message;
  EXPECT_LE(message.size(), 200U);
}

TEST(Message, LosesTheSecretThatWasSent) {
  const Verdict verdict = classify(Answer{.http_status = 401,
                                          .error_type = {},
                                          .body = "your key my.odd.secret is bad",
                                          .headers = {},
                                          .known_secret = "my.odd.secret"},
                                   kNow);
  EXPECT_EQ(verdict.message, "your key [redacted] is bad");
}

TEST(Message, IsEmptyForSuccess) {
  const Verdict verdict = judge(200, R"({"message":"hello"})");
  EXPECT_EQ(verdict.message, "");
  EXPECT_EQ(verdict.code, "");
}

}  // namespace
}  // namespace keypool::core
