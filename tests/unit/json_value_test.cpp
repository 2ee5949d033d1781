#include "core/json_value.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

using Kind = JsonValue::Kind;

TEST(JsonValue, KeepsNumbersAsTheyWereWritten) {
  for (const std::string text :
       {"0", "-1", "100.0", "0.1234567890123456789012", "18446744073709551616", "1e2"}) {
    const auto value = parse_json(text, 4);
    ASSERT_TRUE(value) << text;
    EXPECT_TRUE(value->is(Kind::kNumber));
    EXPECT_EQ(value->text, text);
  }
}

TEST(JsonValue, BuildsTheTree) {
  const auto value = parse_json(R"({"a":[1,"x",true,null,{"b":{}}],"c":"y"})", 4);
  ASSERT_TRUE(value);
  const JsonValue* a = value->find("a");
  ASSERT_NE(a, nullptr);
  ASSERT_EQ(a->items.size(), 5U);
  EXPECT_EQ(a->items[0].text, "1");
  EXPECT_EQ(a->items[1].text, "x");
  EXPECT_TRUE(a->items[2].boolean);
  EXPECT_TRUE(a->items[3].is(Kind::kNull));
  ASSERT_NE(a->items[4].find("b"), nullptr);
  EXPECT_TRUE(a->items[4].find("b")->is(Kind::kObject));
  EXPECT_EQ(value->string_at("c"), "y");
}

TEST(JsonValue, AMissingMemberIsNull) {
  const auto value = parse_json(R"({"a":1})", 4);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->find("b"), nullptr);
  EXPECT_EQ(value->string_at("a"), "") << "a number is no string";
  EXPECT_EQ(value->find("a")->find("x"), nullptr);
}

TEST(JsonValue, OfSeveralMembersOfOneNameTheLastCounts) {
  EXPECT_EQ(parse_json(R"({"a":"1","a":"2"})", 4)->string_at("a"), "2");
}

TEST(JsonValue, RefusesWhatIsDeeperThanAllowed) {
  EXPECT_TRUE(parse_json("[[[]]]", 3));
  EXPECT_FALSE(parse_json("[[[[]]]]", 3));
  EXPECT_FALSE(parse_json(std::string(1'000'000, '['), 32));
}

TEST(JsonValue, RefusesWhatIsNotJson) {
  for (const std::string_view text :
       {"", " ", "{", "[1,]", "nul", "{} x", "\"\xff\"", "1e999", "{\"a\"}", "'a'"}) {
    EXPECT_FALSE(parse_json(text, 4)) << text;
  }
}

}  // namespace
}  // namespace keypool::core
