#include "core/amount.hpp"

#include <string>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

TEST(Amount, IsReadAsADecimalNumber) {
  EXPECT_EQ(scaled_amount("1e-07", 15), 100'000'000);
  EXPECT_EQ(scaled_amount("0.0000001", 15), 100'000'000);
  EXPECT_EQ(scaled_amount("1.00002e-06", 15), 1'000'020'000);
  EXPECT_EQ(scaled_amount("0.1", 1), 1);
  EXPECT_EQ(scaled_amount("100.0", 0), 100);
  EXPECT_EQ(scaled_amount("2E+3", 0), 2000);
  EXPECT_EQ(scaled_amount("00012", 0), 12);
  EXPECT_EQ(scaled_amount(".5", 1), 5);
  EXPECT_EQ(scaled_amount("5.", 0), 5);
}

TEST(Amount, ZeroIsZeroInAnyForm) {
  for (const char* zero : {"0", "0.0", "0e5", "0e-30", "000.000", ".0"}) {
    EXPECT_EQ(scaled_amount(zero, 15), 0) << zero;
  }
}

TEST(Amount, IsRoundedHalfUpOnce) {
  EXPECT_EQ(scaled_amount("0.4999", 0), 0);
  EXPECT_EQ(scaled_amount("0.5", 0), 1);
  EXPECT_EQ(scaled_amount("1.49", 0), 1);
  EXPECT_EQ(scaled_amount("1.5", 0), 2);
  EXPECT_EQ(scaled_amount("0.05", 0), 0);
  EXPECT_EQ(scaled_amount("9.5", 0), 10);
  EXPECT_EQ(scaled_amount("5e-16", 15), 1);
  EXPECT_EQ(scaled_amount("4e-16", 15), 0);
  EXPECT_EQ(scaled_amount("9e-30", 15), 0);
}

TEST(Amount, EndsBelowTenToThePowerOfEighteen) {
  EXPECT_EQ(scaled_amount("999999999999999999", 0), 999'999'999'999'999'999);
  EXPECT_EQ(scaled_amount("999999999.999999999", 9), 999'999'999'999'999'999);
  EXPECT_EQ(scaled_amount("999999999999999999.5", 0), std::nullopt);
  EXPECT_EQ(scaled_amount("1000000000000000000", 0), std::nullopt);
  EXPECT_EQ(scaled_amount("1e30", 0), std::nullopt);
  EXPECT_EQ(scaled_amount("1e3", 15), std::nullopt);
}

TEST(Amount, OtherTextIsNone) {
  const std::string long_text(65, '1');
  for (const std::string& text :
       {std::string(), std::string("-1"), std::string("+1"), std::string("."), std::string("1,5"),
        std::string("e5"), std::string("1e"), std::string("1e+"), std::string("1e+-5"),
        std::string("1e31"), std::string("1e99999999999"), std::string("NaN"),
        std::string("Infinity"), std::string("0x10"), std::string(" 1"), std::string("1 "),
        std::string("1.2.3"), long_text}) {
    EXPECT_FALSE(is_amount(text)) << text;
    EXPECT_EQ(scaled_amount(text, 0), std::nullopt) << text;
  }
  EXPECT_TRUE(is_amount(std::string(64, '1')));
}

}  // namespace
}  // namespace keypool::core
