#include "core/price_document.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace keypool::core {
namespace {

std::string message_of(std::string_view json) {
  try {
    parse_price_document(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return "accepted";
}

std::size_t skipped(const PriceDocument& document, NoPrice reason) {
  return document.skipped[static_cast<std::size_t>(reason)].count;
}

// The only price of a map with this one entry.
ListedPrice price_of(const std::string& model, const std::string& entry) {
  auto document = parse_price_document("{\"" + model + "\":" + entry + "}");
  return document.prices.empty() ? ListedPrice{} : std::move(document.prices.at(0));
}

// Why the only entry has none.
NoPrice reason_of(const std::string& entry) {
  const auto document = parse_price_document("{\"m\":" + entry + "}");
  EXPECT_EQ(document.entries, 1U);
  EXPECT_TRUE(document.prices.empty());
  for (std::size_t i = 0; i < kNoPriceReasons; ++i) {
    if (document.skipped[i].count == 1) {
      EXPECT_EQ(document.skipped[i].examples, std::vector<std::string>{"m"});
      return static_cast<NoPrice>(i);
    }
  }
  ADD_FAILURE() << "no reason";
  return {};
}

TEST(PriceDocument, ReadsThePublicMap) {
  const ListedPrice listed = price_of("gpt-4o", R"({"litellm_provider":"openai","mode":"chat",
      "input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,
      "cache_read_input_token_cost":1.25e-06,"source":"https://openai.com/api/pricing/"})");
  EXPECT_EQ(listed.provider, "openai");
  EXPECT_EQ(listed.model, "gpt-4o");
  EXPECT_EQ(listed.price.input, 2'500'000'000);
  EXPECT_EQ(listed.price.output, 10'000'000'000);
  EXPECT_EQ(listed.price.cached_input, 1'250'000'000);
  EXPECT_EQ(listed.source, "https://openai.com/api/pricing/");
}

// As a double, 1.00002e-06 times a million million is not whole.
TEST(PriceDocument, FiguresDoNotPassThroughADouble) {
  const auto input = [](const char* figure) {
    return price_of("m", std::string(R"({"litellm_provider":"p","input_cost_per_token":)") +
                             figure + "}")
        .price.input;
  };
  EXPECT_EQ(input("1.00002e-06"), 1'000'020'000);
  EXPECT_EQ(input("0.00000100002"), 1'000'020'000);
  EXPECT_EQ(input("1e-07"), 100'000'000);
  EXPECT_EQ(input("7.8125e-08"), 78'125'000);
  EXPECT_EQ(input("0.00021428600000000001"), 214'286'000'000);
  EXPECT_EQ(input("\"3e-06\""), 3'000'000'000);
  EXPECT_EQ(input("1"), 1'000'000'000'000'000);
}

TEST(PriceDocument, AnOutputWithoutAPriceIsFree) {
  const ListedPrice listed =
      price_of("embed", R"({"litellm_provider":"mistral","input_cost_per_token":1e-07})");
  EXPECT_EQ(listed.price.input, 100'000'000);
  EXPECT_EQ(listed.price.output, 0);
  EXPECT_EQ(listed.price.cached_input, std::nullopt);
}

TEST(PriceDocument, ProvidersGetOurNames) {
  const std::pair<const char*, const char*> kNames[] = {
      {"openai", "openai"},
      {"OpenAI", "openai"},
      {"azure", "azure_openai"},
      {"together_ai", "together"},
      {"fireworks_ai", "fireworks"},
      {"fireworks_ai-embedding-models", "fireworks"},
      {"cohere_chat", "cohere"},
      {"vertex_ai-language-models", "vertex_ai"},
      {"bedrock_converse", "bedrock"},
      {"deepinfra", "deepinfra"},
  };
  for (const auto& [theirs, ours] : kNames) {
    EXPECT_EQ(price_of("m", std::string(R"({"litellm_provider":")") + theirs +
                                R"(","input_cost_per_token":1})")
                  .provider,
              ours);
  }
}

TEST(PriceDocument, TheProviderIsTakenOffTheModelsName) {
  const auto model = [](const char* name, const char* provider) {
    return price_of(name, std::string(R"({"litellm_provider":")") + provider +
                              R"(","input_cost_per_token":1})")
        .model;
  };
  EXPECT_EQ(model("gemini/gemini-2.5-pro", "gemini"), "gemini-2.5-pro");
  EXPECT_EQ(model("together_ai/openai/gpt-oss-120b", "together_ai"), "openai/gpt-oss-120b");
  EXPECT_EQ(model("azure/us/gpt-4o", "azure"), "us/gpt-4o");
  EXPECT_EQ(model("vertex_ai/claude-opus-4", "vertex_ai-anthropic_models"), "claude-opus-4");
  EXPECT_EQ(model("openai/gpt-oss-120b", "groq"), "openai/gpt-oss-120b");
  EXPECT_EQ(model("openrouter/openrouter/auto", "openrouter"), "openrouter/auto");
  EXPECT_EQ(model("groq/", "groq"), "groq/");
}

TEST(PriceDocument, AnEntryThatHasTheShortNameKeepsIt) {
  const auto document = parse_price_document(R"({
    "deepseek/deepseek-chat": {"litellm_provider": "deepseek", "input_cost_per_token": 2},
    "deepseek-chat": {"litellm_provider": "deepseek", "input_cost_per_token": 1},
    "groq/m": {"litellm_provider": "groq", "input_cost_per_token": 3},
    "m": {"litellm_provider": "openai", "input_cost_per_token": 4}})");
  std::map<std::string, std::int64_t> prices;
  for (const ListedPrice& listed : document.prices) {
    prices[listed.provider + " " + listed.model] = listed.price.input / 1'000'000'000'000'000;
  }
  EXPECT_EQ(prices, (std::map<std::string, std::int64_t>{{"deepseek deepseek-chat", 1},
                                                         {"deepseek deepseek/deepseek-chat", 2},
                                                         {"groq m", 3},
                                                         {"openai m", 4}}));
}

TEST(PriceDocument, WhatHasNoUsablePriceIsCountedByReason) {
  EXPECT_EQ(reason_of("7"), NoPrice::kNotAnEntry);
  EXPECT_EQ(reason_of("null"), NoPrice::kNotAnEntry);
  EXPECT_EQ(reason_of(R"({"input_cost_per_token":1})"), NoPrice::kBadName);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"one of these","input_cost_per_token":1})"),
            NoPrice::kBadName);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p"})"), NoPrice::kNoFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":null})"),
            NoPrice::kNoFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","output_cost_per_token":1e-6})"),
            NoPrice::kNoFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":-1e-6})"),
            NoPrice::kBadFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":"dear"})"),
            NoPrice::kBadFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":[1]})"),
            NoPrice::kBadFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":1000})"),
            NoPrice::kBadFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":1e-6,
                          "output_cost_per_token":true})"),
            NoPrice::kBadFigure);
  EXPECT_EQ(reason_of(R"({"litellm_provider":"p","input_cost_per_token":1e-6,
                          "cache_read_input_token_cost":-1})"),
            NoPrice::kBadFigure);
}

TEST(PriceDocument, AModelChargedByTheQueryIsNotFree) {
  EXPECT_EQ(reason_of(R"({"litellm_provider":"cohere","input_cost_per_token":0.0,
                          "output_cost_per_token":0.0,"input_cost_per_query":0.002})"),
            NoPrice::kOtherUnits);
  EXPECT_EQ(price_of("local", R"({"litellm_provider":"ollama","input_cost_per_token":0.0,
                                  "output_cost_per_token":0.0,"input_cost_per_query":0})")
                .provider,
            "ollama");
}

TEST(PriceDocument, ReadsTheModelsOfAnImportDocument) {
  const auto document = parse_price_document(R"({"providers":{
    "openai":{"api_keys":[{"key":"sk-secret"}],"models":[
      {"name":"gpt-4","input_cost_per_1k_tokens":0.03,"output_cost_per_1k_tokens":"0.06",
       "cached_input_cost_per_1k_tokens":0.0001,"max_tokens":8192,"enabled":true},
      {"name":"openai/own","input_cost_per_token":1e-6},
      {"name":"unpriced"}, {"input_cost_per_1k_tokens":1}]},
    "groq":{"models":null}, "xai":{}}, "global":{"daily_cost_limit":5}})");
  EXPECT_EQ(document.entries, 4U);
  ASSERT_EQ(document.prices.size(), 2U);
  EXPECT_EQ(document.prices[0].model, "gpt-4");
  EXPECT_EQ(document.prices[0].price.input, 30'000'000'000);
  EXPECT_EQ(document.prices[0].price.output, 60'000'000'000);
  EXPECT_EQ(document.prices[0].price.cached_input, 100'000'000);
  EXPECT_EQ(document.prices[1].model, "openai/own");
  EXPECT_EQ(skipped(document, NoPrice::kNoFigure), 1U);
  EXPECT_EQ(skipped(document, NoPrice::kBadName), 1U);
  EXPECT_EQ(document.skipped[static_cast<std::size_t>(NoPrice::kBadName)].examples,
            std::vector<std::string>{"providers.openai.models[3]"});
}

TEST(PriceDocument, ReadsModelsByThemselves) {
  for (const char* json :
       {R"({"models":[{"provider":"groq","name":"m","input_cost_per_1k_tokens":0.001}]})",
        R"([{"provider":"groq","name":"m","input_cost_per_1k_tokens":0.001}])"}) {
    const auto document = parse_price_document(json);
    ASSERT_EQ(document.prices.size(), 1U);
    EXPECT_EQ(document.prices[0].provider, "groq");
    EXPECT_EQ(document.prices[0].price.input, 1'000'000'000);
  }
  EXPECT_EQ(parse_price_document("{}").entries, 0U);
  EXPECT_EQ(parse_price_document("[]").entries, 0U);
}

TEST(PriceDocument, WhatIsNoneIsRefusedWithItsPlace) {
  EXPECT_EQ(message_of("7"), "invalid price list: the document must be an object or an array");
  EXPECT_EQ(message_of(R"({"providers":7})"), "invalid price list: providers must be an object");
  EXPECT_EQ(message_of(R"({"providers":{"groq":7}})"),
            "invalid price list: providers.groq must be an object");
  EXPECT_EQ(message_of(R"({"providers":{"groq":{"models":{}}}})"),
            "invalid price list: providers.groq.models must be an array");
  EXPECT_EQ(message_of(R"({"models":{}})"), "invalid price list: models must be an array");
  EXPECT_NE(message_of("{").find("is not JSON"), std::string::npos);
  EXPECT_NE(message_of("[" + std::string(40, '[') + std::string(40, ']') + "]").find("deeper"),
            std::string::npos);
}

TEST(PriceDocument, IsBoundedInEntriesAndBytes) {
  std::string many = "[0";
  for (std::size_t i = 0; i < kMostPrices; ++i) many += ",0";
  EXPECT_NE(message_of(many + "]").find("exceeds the limit of 100000 entries"), std::string::npos);
  EXPECT_NE(message_of(std::string(kMostPriceBytes + 1, ' ')).find("bytes"), std::string::npos);
}

TEST(PriceDocument, ExamplesHoldNoSecretAndAreFew) {
  const auto document = parse_price_document(
      R"({"sk-proj-abcdefghijklmnopqrstuvwxyz0123456789abcdef":1,"b":1,"c":1,"d":1})");
  const SkippedEntries& entries = document.skipped[static_cast<std::size_t>(NoPrice::kNotAnEntry)];
  EXPECT_EQ(entries.count, 4U);
  ASSERT_EQ(entries.examples.size(), 3U);
  EXPECT_EQ(entries.examples[0].find("0123456789"), std::string::npos);
}

TEST(PriceDocument, PricesPerThousandAreReadAlike) {
  const auto price = price_per_1k("0.03", "6e-2", "0.015");
  ASSERT_TRUE(price);
  EXPECT_EQ(price->input, 30'000'000'000);
  EXPECT_EQ(price->output, 60'000'000'000);
  EXPECT_EQ(price->cached_input, 15'000'000'000);
  EXPECT_EQ(price_per_1k("1e9", "0", std::nullopt), std::nullopt);
  EXPECT_EQ(price_per_1k("0", "-1", std::nullopt), std::nullopt);
  EXPECT_EQ(price_per_1k("0", "0", "x"), std::nullopt);
}

// The public map itself, where it is at hand.
class PublicPriceMap : public testing::Test {
 protected:
  void SetUp() override {
    const char* set = std::getenv("KEYPOOL_TEST_DATA");
    const std::filesystem::path folder =
        set != nullptr ? set : KEYPOOL_SOURCE_DIR "/../shared/data";
    std::ifstream file(folder / "litellm_model_prices.json");
    if (!file) GTEST_SKIP() << "no price map: set KEYPOOL_TEST_DATA to the test data's folder";
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    document_ = parse_price_document(text);
    for (const ListedPrice& listed : document_.prices) {
      const bool is_new =
          prices_.emplace(listed.provider + " " + listed.model, listed.price).second;
      EXPECT_TRUE(is_new) << listed.model;
    }
  }

  PriceDocument document_;
  std::map<std::string, Price> prices_;
};

TEST_F(PublicPriceMap, EveryEntryWithTokenPricesHasAPlace) {
  EXPECT_EQ(document_.entries, 1701U);
  EXPECT_EQ(document_.prices.size(), 1451U);
  EXPECT_EQ(skipped(document_, NoPrice::kNoFigure), 240U);
  EXPECT_EQ(skipped(document_, NoPrice::kOtherUnits), 10U);
}

TEST_F(PublicPriceMap, PricesAreTheMapsToTheNanoDollar) {
  struct Expected {
    const char* model;
    std::int64_t input;
    std::int64_t output;
    std::optional<std::int64_t> cached;
  };
  const Expected kExpected[] = {
      {"openai gpt-4o", 2'500'000'000, 10'000'000'000, 1'250'000'000},
      {"openai openai/gpt-4o", 2'500'000'000, 10'000'000'000, 1'250'000'000},
      {"openai gpt-5-nano", 50'000'000, 400'000'000, 5'000'000},
      {"anthropic claude-opus-4-1", 15'000'000'000, 75'000'000'000, 1'500'000'000},
      {"gemini gemini-2.5-pro", 1'250'000'000, 10'000'000'000, 312'500'000},
      {"gemini gemini-2.0-flash-lite", 75'000'000, 300'000'000, 18'750'000},
      {"azure_openai us/gpt-4o-mini-2024-07-18", 165'000'000, 660'000'000, 83'000'000},
      {"together openai/gpt-oss-120b", 150'000'000, 600'000'000, std::nullopt},
      {"fireworks accounts/fireworks/models/deepseek-v3p1", 560'000'000, 1'680'000'000,
       std::nullopt},
      {"deepseek deepseek-chat", 140'000'000, 280'000'000, 14'000'000},
      {"deepseek deepseek/deepseek-chat", 270'000'000, 1'100'000'000, 70'000'000},
      {"mistral mistral-embed", 100'000'000, 0, std::nullopt},
      {"cohere command-r7b-12-2024", 150'000'000, 37'500'000, std::nullopt},
      {"xai grok-4", 3'000'000'000, 15'000'000'000, std::nullopt},
  };
  for (const Expected& expected : kExpected) {
    const auto found = prices_.find(expected.model);
    ASSERT_NE(found, prices_.end()) << expected.model;
    EXPECT_EQ(found->second.input, expected.input) << expected.model;
    EXPECT_EQ(found->second.output, expected.output) << expected.model;
    EXPECT_EQ(found->second.cached_input, expected.cached) << expected.model;
  }
}

}  // namespace
}  // namespace keypool::core
