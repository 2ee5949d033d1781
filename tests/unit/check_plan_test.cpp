#include "worker/check_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "core/error.hpp"

namespace keypool::worker {
namespace {

CheckTarget target(const char* path) {
  return {.auth_style = "bearer", .provider_url = "https://api.example/v1", .check_path = path};
}

std::string line(std::string_view style, std::string_view secret) {
  const core::Secret made = credential_line(style, secret);
  EXPECT_EQ(made.view().back(), '\0');
  return std::string(made.view().substr(0, made.size() - 1));
}

TEST(CheckPlan, AsksUnderTheBaseUrlOfTheProvider) {
  EXPECT_EQ(plan_check(target("/models?pageSize=1")).url,
            "https://api.example/v1/models?pageSize=1");
}

TEST(CheckPlan, PrefersTheBaseUrlOfTheKey) {
  CheckTarget own = target("/models");
  own.key_url = "http://localhost:8080/";
  EXPECT_EQ(plan_check(own).url, "http://localhost:8080/models");
}

TEST(CheckPlan, AsksAWholeUrlAsItIs) {
  EXPECT_EQ(plan_check(target("https://hub.example/whoami")).url, "https://hub.example/whoami");
}

TEST(CheckPlan, NeverSendsTheKeyOfAPrivateServerToThePublicOne) {
  CheckTarget own = target("https://hub.example/whoami");
  own.key_url = "http://localhost:8080";
  EXPECT_EQ(plan_check(own).url, "");
  EXPECT_NE(plan_check(own).objection, "");
}

TEST(CheckPlan, SaysWhyNothingCanBeAsked) {
  CheckTarget none = target("/models");
  none.provider_url.reset();
  EXPECT_NE(plan_check(none).objection, "");
  none = target("/models");
  none.check_path.reset();
  EXPECT_NE(plan_check(none).objection, "");
  none = target("/models");
  none.auth_style = "none";
  EXPECT_EQ(plan_check(none).url, "");
  EXPECT_NE(plan_check(none).objection, "");
}

TEST(CheckPlan, CarriesTheCredentialInTheHeaderOfItsStyle) {
  EXPECT_EQ(line("bearer", "sk-1"), "Authorization: Bearer sk-1");
  EXPECT_EQ(line("x-api-key", "sk-ant-1"), "x-api-key: sk-ant-1");
  EXPECT_EQ(line("x-goog-api-key", "AIza1"), "x-goog-api-key: AIza1");
  EXPECT_EQ(line("api-key", "a1"), "api-key: a1");
}

TEST(CheckPlan, RefusesSecretsThatWouldEndTheHeader) {
  for (const std::string_view secret : {"sk-1\r\nX-Evil: 1", "sk 1", "sk-\xc3\xa4", ""}) {
    EXPECT_THROW(credential_line("bearer", secret), core::Error);
  }
}

TEST(CheckPlan, NamesTheVersionWhereAnthropicWantsIt) {
  const auto names_version = [](std::string_view style) {
    const auto headers = further_headers(style);
    return std::ranges::count(headers, "anthropic-version: 2023-06-01") == 1;
  };
  EXPECT_TRUE(names_version("x-api-key"));
  EXPECT_FALSE(names_version("bearer"));
}

}  // namespace
}  // namespace keypool::worker
