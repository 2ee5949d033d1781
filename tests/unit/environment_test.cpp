#include "core/environment.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

using Environment = std::vector<EnvironmentVariable>;

const std::vector<EnvironmentProvider> kProviders = {
    {"openai", {"OPENAI_API_KEY"}},
    {"gemini", {"GEMINI_API_KEY", "GOOGLE_API_KEY"}},
    {"azure_openai", {"AZURE_OPENAI_API_KEY"}},
};

// "provider/name/variable=secret" of every key found.
std::vector<std::string> find(const Environment& environment) {
  std::vector<std::string> found;
  for (const FoundKey& key : find_environment_keys(environment, kProviders)) {
    found.push_back(key.provider + "/" + key.name + "/" + key.variable + "=" +
                    std::string(key.secret));
  }
  return found;
}

using Found = std::vector<std::string>;

TEST(Environment, NothingSetGivesNothing) {
  EXPECT_EQ(find({}), Found{});
  EXPECT_EQ(find({{"PATH", "/bin"}, {"OPENAI_API_KEYS", "x"}, {"MY_OPENAI_API_KEY", "x"}}),
            Found{});
}

TEST(Environment, TheSingleVariableIsThePrimaryKey) {
  EXPECT_EQ(find({{"OPENAI_API_KEY", "a"}}), Found{"openai/primary/OPENAI_API_KEY=a"});
}

TEST(Environment, NumberedVariablesComeInTheOrderOfTheirNumbers) {
  EXPECT_EQ(
      find({{"OPENAI_API_KEY_10", "j"}, {"OPENAI_API_KEY_2", "b"}, {"OPENAI_API_KEY_1", "a"}}),
      (Found{"openai/primary/OPENAI_API_KEY_1=a", "openai/secondary/OPENAI_API_KEY_2=b",
             "openai/key_10/OPENAI_API_KEY_10=j"}));
}

TEST(Environment, NumberedVariablesWinOverTheSingleOne) {
  EXPECT_EQ(find({{"OPENAI_API_KEY", "single"}, {"OPENAI_API_KEY_2", "b"}}),
            Found{"openai/secondary/OPENAI_API_KEY_2=b"});
}

TEST(Environment, AnEmptyNumberedVariableDoesNotHideTheSingleOne) {
  EXPECT_EQ(find({{"OPENAI_API_KEY", "single"}, {"OPENAI_API_KEY_1", ""}}),
            Found{"openai/primary/OPENAI_API_KEY=single"});
}

TEST(Environment, TheGollmSuffixIsTheName) {
  EXPECT_EQ(find({{"GOLLM_OPENAI_API_KEY_TEAM_A", "t"},
                  {"GOLLM_OPENAI_API_KEY_SECONDARY", "s"},
                  {"GOLLM_OPENAI_API_KEY_PRIMARY", "p"},
                  {"GOLLM_OPENAI_API_KEY_3", "c"}}),
            (Found{"openai/primary/GOLLM_OPENAI_API_KEY_PRIMARY=p",
                   "openai/secondary/GOLLM_OPENAI_API_KEY_SECONDARY=s",
                   "openai/key_3/GOLLM_OPENAI_API_KEY_3=c",
                   "openai/team_a/GOLLM_OPENAI_API_KEY_TEAM_A=t"}));
}

TEST(Environment, OtherToolsSettingsAreNotKeys) {
  EXPECT_EQ(find({{"OPENAI_API_KEY_FILE", "/etc/key"},
                  {"OPENAI_API_KEY_", "x"},
                  {"OPENAI_API_KEY_01", "x"},
                  {"OPENAI_API_KEY_99999", "x"}}),
            Found{});
}

TEST(Environment, EmptyValuesAreIgnored) { EXPECT_EQ(find({{"OPENAI_API_KEY", ""}}), Found{}); }

TEST(Environment, TheSameSecretTwiceIsFoundOnce) {
  EXPECT_EQ(find({{"OPENAI_API_KEY_1", "a"},
                  {"OPENAI_API_KEY_2", "a"},
                  {"GOLLM_OPENAI_API_KEY_PRIMARY", "a"}}),
            Found{"openai/primary/OPENAI_API_KEY_1=a"});
}

TEST(Environment, TwoProvidersMayShareASecret) {
  EXPECT_EQ(find({{"OPENAI_API_KEY", "a"}, {"GEMINI_API_KEY", "a"}}).size(), 2U);
}

TEST(Environment, ATakenNameGivesWayToTheVariablesName) {
  EXPECT_EQ(find({{"GOOGLE_API_KEY", "b"}, {"GEMINI_API_KEY", "a"}}),
            (Found{"gemini/primary/GEMINI_API_KEY=a", "gemini/google_api_key/GOOGLE_API_KEY=b"}));
  EXPECT_EQ(find({{"OPENAI_API_KEY", "a"}, {"GOLLM_OPENAI_API_KEY_PRIMARY", "b"}}),
            (Found{"openai/primary/OPENAI_API_KEY=a",
                   "openai/gollm_openai_api_key_primary/GOLLM_OPENAI_API_KEY_PRIMARY=b"}));
}

TEST(Environment, AVariableThatContainsAnothersNameIsItsOwn) {
  EXPECT_EQ(find({{"AZURE_OPENAI_API_KEY", "z"}}),
            Found{"azure_openai/primary/AZURE_OPENAI_API_KEY=z"});
}

TEST(Environment, ProvidersComeInTheOrderGiven) {
  EXPECT_EQ(find({{"GEMINI_API_KEY", "g"}, {"OPENAI_API_KEY", "o"}}),
            (Found{"openai/primary/OPENAI_API_KEY=o", "gemini/primary/GEMINI_API_KEY=g"}));
}

}  // namespace
}  // namespace keypool::core
