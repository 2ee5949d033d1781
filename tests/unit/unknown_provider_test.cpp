#include "core/unknown_provider.hpp"

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

const std::vector<std::string> kKnown = {"openai", "anthropic", "gemini", "openrouter", "groq"};

TEST(UnknownProvider, NamesTheKnownOnesAndTheNearestOne) {
  const Error error = unknown_provider("opnai", kKnown);
  EXPECT_EQ(error.code(), ErrorCode::kUnknownProvider);
  EXPECT_EQ(error.message(), "provider \"opnai\" is not known");
  EXPECT_EQ(error.detail(), "Known providers: anthropic, gemini, groq, openai, openrouter.");
  EXPECT_TRUE(error.hint().starts_with("Did you mean openai? ")) << error.hint();
}

TEST(UnknownProvider, SaysHowToAddOneWhenNothingIsNear) {
  const Error error = unknown_provider("zzzzzzz", kKnown);
  EXPECT_EQ(error.hint().find("Did you mean"), std::string::npos);
  EXPECT_NE(error.hint().find("keypool.providers"), std::string::npos);
}

TEST(UnknownProvider, NeverRepeatsASecretGivenInItsPlace) {
  const std::string secret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
  const Error error = unknown_provider(secret, kKnown);
  for (const std::string& text : {error.message(), error.detail(), error.hint()}) {
    EXPECT_EQ(text.find("0123456789abcdef"), std::string::npos) << text;
  }
}

TEST(UnknownProvider, IsShortForALongName) {
  EXPECT_LT(unknown_provider(std::string(100'000, 'x'), kKnown).message().size(), 120u);
}

TEST(UnknownProvider, WorksWithNoProviderAtAll) {
  const Error error = unknown_provider("openai", {});
  EXPECT_EQ(error.detail(), "");
  EXPECT_FALSE(error.hint().empty());
}

TEST(UnknownProvider, AnAliasMayBeWhatWasMeant) {
  const Error error = unknown_provider("claud", kKnown, {"claude", "google"});
  EXPECT_NE(error.hint().find("claude"), std::string::npos) << error.hint();
  EXPECT_EQ(error.detail().find("claude"), std::string::npos) << error.detail();
}

}  // namespace
}  // namespace keypool::core
