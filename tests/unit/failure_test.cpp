#include "core/failure.hpp"

#include <set>
#include <string_view>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr int kClasses = static_cast<int>(FailureClass::kUnknown) + 1;

TEST(Failure, EveryClassIsFoundAgainByItsName) {
  for (int i = 0; i < kClasses; ++i) {
    const auto failure = static_cast<FailureClass>(i);
    EXPECT_EQ(failure_from_name(name(failure)), failure) << name(failure);
  }
}

TEST(Failure, NamesAreTheContract) {
  EXPECT_EQ(name(FailureClass::kNone), "none");
  EXPECT_EQ(name(FailureClass::kCallerFault), "caller_fault");
  EXPECT_EQ(name(FailureClass::kCredential), "credential");
  EXPECT_EQ(name(FailureClass::kQuota), "quota");
  EXPECT_EQ(name(FailureClass::kRateLimit), "rate_limit");
  EXPECT_EQ(name(FailureClass::kOverloaded), "overloaded");
  EXPECT_EQ(name(FailureClass::kTransient), "transient");
  EXPECT_EQ(name(FailureClass::kModelAccess), "model_access");
  EXPECT_EQ(name(FailureClass::kRegionBlocked), "region_blocked");
  EXPECT_EQ(name(FailureClass::kUnknown), "unknown");
}

TEST(Failure, NamesDiffer) {
  std::set<std::string_view> names;
  for (int i = 0; i < kClasses; ++i) names.insert(name(static_cast<FailureClass>(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kClasses));
}

TEST(Failure, OnlyTheExactNameIsAClass) {
  for (const std::string_view text : {"", "Quota", "quota ", "rate limit", "429"}) {
    EXPECT_EQ(failure_from_name(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace keypool::core
