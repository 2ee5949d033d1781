#include "core/trace_headers.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace keypool::core {
namespace {

ErrorCode failure(const std::string& json) {
  try {
    const TraceHeaders headers(json);
    headers.user();
    headers.organization();
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find("sk-"), std::string::npos);
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(TraceHeaders, AreFoundByNameWithoutCase) {
  const TraceHeaders headers(R"({"x-api-key-OPENAI": "sk-1", "Accept": "*/*"})");
  EXPECT_EQ(headers.find("X-API-Key-OpenAI")->text, "sk-1");
  EXPECT_FALSE(headers.find("X-API-Key-Groq"));
  EXPECT_FALSE(headers.find("X-API-Key-OpenA"));
}

TEST(TraceHeaders, LoseTheWhiteSpaceAroundThem) {
  const TraceHeaders headers(R"({"a": " \tsk-1\r\n", "b": "  "})");
  EXPECT_EQ(headers.find("a")->text, "sk-1");
  EXPECT_FALSE(headers.find("b"));
}

TEST(TraceHeaders, SayWhyThereIsNoValue) {
  const TraceHeaders headers(R"({"a": 1, "b": ["sk-1"], "c": null, "d": "x", "D": "y", "e": ")" +
                             std::string(TraceHeaders::kMostValue + 1, 'x') + "\"}");
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(headers.find(name)->fault, "is not a text");
  EXPECT_EQ(headers.find("d")->fault, "is given twice");
  EXPECT_EQ(headers.find("e")->fault, "is too long");
  for (const char* name : {"a", "b", "c", "d", "e"}) EXPECT_EQ(headers.find(name)->text, "");
}

TEST(TraceHeaders, NameWhoSentThem) {
  const TraceHeaders headers(R"({"X-USER-ID": "u", "x-organization-id": "o"})");
  EXPECT_EQ(headers.user(), "u");
  EXPECT_EQ(headers.organization(), "o");
  EXPECT_FALSE(TraceHeaders("{}").user());
  EXPECT_FALSE(TraceHeaders(R"({"X-User-ID": ""})").user());
}

TEST(TraceHeaders, RefuseANameOneCannotRelyOn) {
  EXPECT_EQ(failure(R"({"X-User-ID": 5})"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(R"({"X-User-ID": "a", "x-user-id": "b"})"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(R"({"X-User-ID": "a", "x-user-id": ""})"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure("{\"X-User-ID\": \"a\\u0000b\"}"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(failure(R"({"X-Organization-ID": "a\nb"})"), ErrorCode::kInvalidArgument);
}

TEST(TraceHeaders, RefuseWhatAreNoHeaders) {
  for (const char* json : {"", "sk-1", "\"sk-1\"", "[\"sk-1\"]", "{\"a\": \"sk-1\"", "null"}) {
    EXPECT_EQ(failure(json), ErrorCode::kInvalidArgument) << json;
  }
  EXPECT_EQ(failure(std::string(TraceHeaders::kMostBytes + 1, '[')), ErrorCode::kTooLarge);
  std::string many = "{\"0\": \"sk-1\"";
  for (int i = 1; i <= 1000; ++i) many += ",\"" + std::to_string(i) + "\": \"\"";
  EXPECT_EQ(failure(many + "}"), ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace keypool::core
