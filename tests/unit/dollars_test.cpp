#include "core/dollars.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

TEST(Dollars, AreExactWithoutZerosAtTheEnd) {
  EXPECT_EQ(dollars(0), "$0");
  EXPECT_EQ(dollars(1), "$0.000000001");
  EXPECT_EQ(dollars(980'000'000), "$0.98");
  EXPECT_EQ(dollars(1'000'000'000), "$1");
  EXPECT_EQ(dollars(10'050'000'000), "$10.05");
  EXPECT_EQ(dollars(-12'000'000'003), "-$12.000000003");
  EXPECT_EQ(dollars(std::numeric_limits<std::int64_t>::max()), "$9223372036.854775807");
  EXPECT_EQ(dollars(std::numeric_limits<std::int64_t>::min()), "-$9223372036.854775808");
}

}  // namespace
}  // namespace keypool::core
