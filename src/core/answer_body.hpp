// What the body of a provider's answer says about an error, in whatever shape it says it.
//
// Shapes: OpenAI {"error":{"message","type","param","code"}}, Anthropic {"type":"error","error":
// {"type","message"}}, Gemini {"error":{"code","message","status","details":[…]}} (also in an
// array), {"error":"text"}, {"message":…}, {"detail":…}, and plain text.
// Bounded: the first kMostBody bytes, 32 levels. Garbage reads as "says nothing", never as a
// failure to read. Any thread, no lock; throws nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.hpp"

namespace keypool::core {

inline constexpr std::size_t kMostBody = 64 * 1024;

struct AnswerBody {
  bool has_error = false;             // it tells of an error, by its shape
  std::vector<std::string> words;     // codes, the most specific first
  std::string message;                // as sent: not scrubbed, not bounded
  int status = 0;                     // an HTTP status given as the code; 0: none
  bool about_model = false;           // "param":"model", or a quota violation that names a model
  std::optional<Micros> retry_delay;  // Gemini's RetryInfo
};

// `succeeded`: the HTTP status was 2xx. Then only an explicit error member counts: everything else
// in the body is the model's answer, which may say anything.
AnswerBody read_answer_body(std::string_view body, bool succeeded);

}  // namespace keypool::core
