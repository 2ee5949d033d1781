#include "core/import_document.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace keypool::core {
namespace {

// The document as the contract shows it.
constexpr std::string_view kContract = R"({"providers":{"openai":{"api_keys":[{"key":"sk-abc",
  "name":"primary","rate_limit":1000,"cost_limit":100.0,"enabled":true}],"models":[{"name":"gpt-4",
  "input_cost_per_1k_tokens":0.03,"output_cost_per_1k_tokens":0.06,"max_tokens":8192,
  "enabled":true}],"rotation":{"strategy":"round_robin","interval":"1h","health_check":true,
  "fallback_enabled":true}}},"global":{"fallback_chain":["openai","anthropic","gemini"],
  "global_rate_limit":2000,"daily_cost_limit":500.0,"cost_alert_threshold":0.8,
  "default_rotation_strategy":"round_robin","health_check_interval":"5m","key_timeout":"30s"}})";

std::string message_of(std::string_view json) {
  try {
    parse_import_document(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return "accepted";
}

// The only key of a document with this one as text.
ImportedKey key_of(const std::string& key) {
  auto document = parse_import_document(R"({"providers":{"openai":{"api_keys":[)" + key + "]}}}");
  return std::move(document.providers.at(0).keys.at(0));
}

TEST(ImportDocument, ReadsTheKeysOfTheContract) {
  const ImportDocument document = parse_import_document(kContract);
  ASSERT_EQ(document.providers.size(), 1U);
  EXPECT_EQ(document.providers[0].name, "openai");
  ASSERT_EQ(document.providers[0].keys.size(), 1U);
  const ImportedKey& key = document.providers[0].keys[0];
  EXPECT_EQ(key.path, "providers.openai.api_keys[0]");
  EXPECT_EQ(key.fault, "");
  EXPECT_EQ(key.secret.view(), "sk-abc");
  EXPECT_EQ(key.name, "primary");
  EXPECT_EQ(key.rate_limit, 1000);
  EXPECT_EQ(key.cost_limit, "100.0");
  EXPECT_EQ(key.enabled, true);
  EXPECT_EQ(key.weight, std::nullopt);
  EXPECT_TRUE(document.ignored.empty());
}

TEST(ImportDocument, ReadsModelsRotationAndGlobalOfTheContract) {
  const ImportDocument document = parse_import_document(kContract);
  const ImportedProvider& provider = document.providers.at(0);
  ASSERT_EQ(provider.models.size(), 1U);
  EXPECT_EQ(provider.models[0].name, "gpt-4");
  EXPECT_EQ(provider.models[0].input_cost_per_1k_tokens, "0.03");
  EXPECT_EQ(provider.models[0].output_cost_per_1k_tokens, "0.06");
  EXPECT_EQ(provider.models[0].max_tokens, 8192);
  EXPECT_EQ(provider.models[0].enabled, true);
  EXPECT_EQ(provider.rotation.strategy, "round_robin");
  EXPECT_EQ(provider.rotation.interval, "1h");
  EXPECT_EQ(provider.rotation.health_check, true);
  EXPECT_EQ(provider.rotation.fallback_enabled, true);
  const ImportedGlobal& global = document.global;
  EXPECT_EQ(global.fallback_chain, (std::vector<std::string>{"openai", "anthropic", "gemini"}));
  EXPECT_EQ(global.global_rate_limit, 2000);
  EXPECT_EQ(global.daily_cost_limit, "500.0");
  EXPECT_EQ(global.cost_alert_threshold, "0.8");
  EXPECT_EQ(global.default_rotation_strategy, "round_robin");
  EXPECT_EQ(global.health_check_interval, "5m");
  EXPECT_EQ(global.key_timeout, "30s");
}

TEST(ImportDocument, ReadsEveryOtherMemberOfAKey) {
  const ImportedKey key = key_of(R"({"key":"sk-abc","requests_per_minute":60,
    "tokens_per_minute":90000,"max_concurrency":4,"weight":2.5,"models":["gpt-4","gpt-4o"],
    "region":"eu","base_url":"https://h/v1","user_id":42,"organization_id":"acme",
    "expires_at":"2030-01-01T00:00:00Z"})");
  EXPECT_EQ(key.fault, "");
  EXPECT_EQ(key.requests_per_minute, 60);
  EXPECT_EQ(key.tokens_per_minute, 90'000);
  EXPECT_EQ(key.max_concurrency, 4);
  EXPECT_EQ(key.weight, 2.5);
  EXPECT_EQ(key.models, (std::vector<std::string>{"gpt-4", "gpt-4o"}));
  EXPECT_EQ(key.region, "eu");
  EXPECT_EQ(key.base_url, "https://h/v1");
  EXPECT_EQ(key.user_id, "42");
  EXPECT_EQ(key.organization_id, "acme");
  EXPECT_EQ(key.expires_at, "2030-01-01T00:00:00Z");
}

TEST(ImportDocument, KeepsMoneyExactlyAsWritten) {
  for (const std::string text : {"0.1234567890123456789012", "100", "100.0", "0.00000012", "1e2"}) {
    EXPECT_EQ(key_of(R"({"key":"sk-abc","cost_limit":)" + text + "}").cost_limit, text);
    EXPECT_EQ(key_of(R"({"key":"sk-abc","cost_limit":")" + text + "\"}").cost_limit, text);
  }
}

TEST(ImportDocument, NullMeansNotGiven) {
  const ImportedKey key = key_of(R"({"key":"sk-abc","name":null,"rate_limit":null,"weight":null})");
  EXPECT_EQ(key.fault, "");
  EXPECT_EQ(key.name, std::nullopt);
  EXPECT_TRUE(parse_import_document(R"({"providers":null,"global":null})").providers.empty());
}

TEST(ImportDocument, AFaultInAKeyNamesItsPlaceAndReason) {
  struct Case {
    std::string key;
    std::string fault;  // after "providers.openai.api_keys[0]"
  };
  const Case cases[] = {
      {"7", " must be an object"},
      {"{}", ".key is missing"},
      {R"({"key":null})", ".key is missing"},
      {R"({"key":""})", ".key must not be empty"},
      {R"({"key":5})", ".key must be a string"},
      {R"({"key":"a","name":5})", ".name must be a string"},
      {R"({"key":"a","rate_limit":"5"})",
       ".rate_limit must be a whole number from 1 to 2147483647"},
      {R"({"key":"a","rate_limit":0})", ".rate_limit must be a whole number from 1 to 2147483647"},
      {R"({"key":"a","rate_limit":1.5})",
       ".rate_limit must be a whole number from 1 to 2147483647"},
      {R"({"key":"a","rate_limit":2147483648})",
       ".rate_limit must be a whole number from 1 to 2147483647"},
      {R"({"key":"a","weight":0})", ".weight must be a number above zero"},
      {R"({"key":"a","cost_limit":-1})", ".cost_limit must be an amount of zero or more"},
      {R"({"key":"a","cost_limit":"ten"})", ".cost_limit must be an amount of zero or more"},
      {R"({"key":"a","cost_limit":"1e999"})", ".cost_limit must be an amount of zero or more"},
      {R"({"key":"a","enabled":"yes"})", ".enabled must be true or false"},
      {R"({"key":"a","models":"gpt-4"})", ".models must be an array of strings"},
      {R"({"key":"a","models":["gpt-4",1]})", ".models must be an array of non-empty strings"},
      {R"({"key":"a","user_id":1.5})", ".user_id must be a string"},
      {R"({"key":"a","name":"b\u0000c"})", ".name must not contain a NUL character"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(key_of(c.key).fault, "providers.openai.api_keys[0]" + c.fault) << c.key;
  }
}

TEST(ImportDocument, OneBadKeyDoesNotStopTheRest) {
  const ImportDocument document = parse_import_document(
      R"({"providers":{"openai":{"api_keys":[{"key":"a"},{"key":7},{"key":"c"}]}}})");
  const auto& keys = document.providers.at(0).keys;
  ASSERT_EQ(keys.size(), 3U);
  EXPECT_EQ(keys[0].fault, "");
  EXPECT_EQ(keys[1].fault, "providers.openai.api_keys[1].key must be a string");
  EXPECT_EQ(keys[2].fault, "");
  EXPECT_EQ(keys[2].secret.view(), "c");
}

TEST(ImportDocument, AFaultNeverShowsAValue) {
  const ImportedKey key = key_of(R"({"key":["hush-hush"],"name":{"x":"hush-hush"}})");
  EXPECT_NE(key.fault, "");
  EXPECT_EQ(key.fault.find("hush"), std::string::npos);
}

TEST(ImportDocument, StructureThatMakesNoSenseIsRefusedWithItsPath) {
  struct Case {
    std::string_view json;
    std::string_view complaint;
  };
  const Case cases[] = {
      {"", "the document is not JSON, or is nested deeper than 16 levels"},
      {"{", "the document is not JSON, or is nested deeper than 16 levels"},
      {"[]", "the document must be an object"},
      {R"({"providers":[]})", "providers must be an object"},
      {R"({"providers":{"openai":[]}})", "providers.openai must be an object"},
      {R"({"providers":{"openai":{"api_keys":{}}}})", "providers.openai.api_keys must be an array"},
      {R"({"providers":{"openai":{"models":{}}}})", "providers.openai.models must be an array"},
      {R"({"providers":{"openai":{"models":[{}]}}})", "providers.openai.models[0].name is missing"},
      {R"({"providers":{"openai":{"models":[{"name":"m","max_tokens":"x"}]}}})",
       "providers.openai.models[0].max_tokens must be a whole number from 1 to 2147483647"},
      {R"({"providers":{"openai":{"rotation":[]}}})",
       "providers.openai.rotation must be an object"},
      {R"({"providers":{"openai":{"rotation":{"interval":3600}}}})",
       "providers.openai.rotation.interval must be a string"},
      {R"({"global":[]})", "global must be an object"},
      {R"({"global":{"fallback_chain":"openai"}})",
       "global.fallback_chain must be an array of strings"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(message_of(c.json), "invalid import document: " + std::string(c.complaint)) << c.json;
  }
}

TEST(ImportDocument, ListsUnknownMembers) {
  const ImportDocument document = parse_import_document(
      R"({"version":1,"providers":{"openai":{"colour":"red","api_keys":[{"key":"a","nmae":"b"}]}},
          "global":{"mood":"good"}})");
  EXPECT_EQ(document.ignored,
            (std::vector<std::string>{"version", "providers.openai.colour",
                                      "providers.openai.api_keys[0].nmae", "global.mood"}));
}

TEST(ImportDocument, AKeyUsedAsAMembersNameIsNotShown) {
  const ImportDocument document =
      parse_import_document(R"({"sk-proj-abcdefgh12345678":"primary"})");
  EXPECT_EQ(document.ignored, std::vector<std::string>{"sk-proj-…[redacted]"});
  const std::string message = message_of(R"({"providers":{"sk-proj-abcdefgh12345678":"openai"}})");
  EXPECT_EQ(message.find("abcdefgh"), std::string::npos) << message;
}

TEST(ImportDocument, TheListOfUnknownMembersIsBounded) {
  std::string json = "{";
  for (int i = 0; i < 500; ++i) json += (i ? ",\"u" : "\"u") + std::to_string(i) + "\":0";
  EXPECT_EQ(parse_import_document(json + "}").ignored.size(), kMostIgnored);
}

TEST(ImportDocument, DeepNestingIsRefused) {
  const std::string deep = R"({"x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_NE(message_of(deep).find("nested deeper"), std::string::npos);
}

TEST(ImportDocument, TenThousandKeysAreTheLimit) {
  const auto document = [](std::size_t keys) {
    std::string json = R"({"providers":{"a":{"api_keys":[)";
    for (std::size_t i = 0; i < keys; ++i) json += i ? R"(,{"key":"k"})" : R"({"key":"k"})";
    return json + "]}}}";
  };
  EXPECT_EQ(message_of(document(kMostImportKeys)), "accepted");
  EXPECT_EQ(message_of(document(kMostImportKeys + 1)),
            "invalid import document: providers.a.api_keys exceeds the limit of 10000 keys a "
            "document");
}

}  // namespace
}  // namespace keypool::core
