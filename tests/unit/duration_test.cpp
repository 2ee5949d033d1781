#include "core/duration.hpp"

#include <optional>
#include <string_view>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

struct Case {
  std::string_view text;
  std::optional<Micros> expected;
};

TEST(Duration, UnderstandsGoStyle) {
  const Case cases[] = {
      {"12ms", 12 * kMillisecond},
      {"1s", kSecond},
      {"6m0s", 6 * kMinute},
      {"1h2m3s", kHour + 2 * kMinute + 3 * kSecond},
      {"34s", 34 * kSecond},
      {"1.5s", 1'500'000},
      {".5s", 500'000},
      {"2m59.56s", 2 * kMinute + 59'560'000},
      {"1d", kDay},
      {"250us", 250},
      {"0s", 0},
      {" 7s ", 7 * kSecond},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_duration(c.text), c.expected) << c.text;
}

TEST(Duration, TakesAPlainNumberAsSeconds) {
  EXPECT_EQ(parse_duration("20"), 20 * kSecond);
  EXPECT_EQ(parse_duration("0.25"), 250'000);
  EXPECT_EQ(parse_duration("0"), 0);
}

TEST(Duration, CutsOffWhatIsFinerThanAMicrosecond) {
  EXPECT_EQ(parse_duration("34.074824224s"), 34'074'824);
  EXPECT_EQ(parse_duration("0.9999999s"), 999'999);
}

TEST(Duration, RefusesWhatIsNotADuration) {
  for (const std::string_view text : {"", " ", "s", "abc", "-1s", "+1s", "1x", "1s2", "1 s",
                                      "1..5s", ".", "1e3", "NaN", "inf", "1S", "5s,5s"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Duration, RefusesWhatDoesNotFit) {
  EXPECT_EQ(parse_duration("9223372036854775807"), std::nullopt);
  EXPECT_EQ(parse_duration("99999999999999999999999999h"), std::nullopt);
  EXPECT_EQ(parse_duration("9223372036854s9223372036854s"), std::nullopt);
  EXPECT_EQ(parse_duration("9223372036854.9s"), std::nullopt);
  EXPECT_EQ(parse_duration("9223372036854s"), 9'223'372'036'854'000'000);
}

TEST(Rfc3339, CountsFromTheYear2000) {
  const Case cases[] = {
      {"2000-01-01T00:00:00Z", 0},        {"2000-01-01T00:00:01.5Z", 1'500'000},
      {"1999-12-31T23:59:59Z", -kSecond}, {"2000-03-01T00:00:00Z", 60 * kDay},
      {"2000-01-01T01:00:00+01:00", 0},   {"1999-12-31T19:00:00-05:00", 0},
      {"2000-01-01t00:00:00z", 0},        {"2000-01-01 00:00:00Z", 0},
      {"1999-12-31T23:59:60Z", 0},        {"1970-01-01T00:00:00Z", kUnixEpoch},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_rfc3339(c.text), c.expected) << c.text;
}

TEST(Rfc3339, RefusesWhatIsNotAMoment) {
  for (const std::string_view text :
       {"", "2000-01-01", "2000-01-01T00:00:00", "2000-13-01T00:00:00Z", "2001-02-29T00:00:00Z",
        "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00:61Z",
        "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00Zx", "2000-01-01T00:00:00+24:00",
        "0000-01-01T00:00:00Z", "2000-1-1T00:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(HttpDate, UnderstandsAllThreeForms) {
  const auto expected = parse_rfc3339("1994-11-06T08:49:37Z");
  ASSERT_TRUE(expected);
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), expected);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), expected);
}

TEST(HttpDate, PutsTwoDigitYearsBetween1970And2069) {
  EXPECT_EQ(parse_http_date("Saturday, 01-Jan-00 00:00:00 GMT"), 0);
  EXPECT_EQ(parse_http_date("Thursday, 01-Jan-70 00:00:00 GMT"), kUnixEpoch);
}

TEST(HttpDate, RefusesWhatIsNotADate) {
  for (const std::string_view text :
       {"", "Sun", "Sun, ", "06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT x", "Sun, 06-Nov 94 08:49:37 GMT"}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace keypool::core
