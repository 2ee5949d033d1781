// Which provider, dialect and endpoint a path means.
//
// The first segment of a path names the provider, so any OpenAI-compatible name works without
// being listed: /groq/openai/v1/models, /my_proxy/v1/models. Pure; the views point into the path.
#pragma once

#include <string_view>

#include "request.hpp"

namespace stand_in {

enum class Dialect { kOpenAi, kAnthropic, kGemini };

enum class Endpoint {
  kModels,   // GET  …/models
  kChat,     // POST …/chat/completions, /messages, /models/{model}:generateContent
  kKeyInfo,  // GET  …/key           (openrouter)
  kBalance,  // GET  …/user/balance  (deepseek)
  kWhoAmI,   // GET  …/api/whoami-v2 (huggingface)
  kNotFound,
};

struct Route {
  std::string_view provider;
  Dialect dialect = Dialect::kOpenAi;
  Endpoint endpoint = Endpoint::kNotFound;
  std::string_view model;  // only when the path names it, as Gemini's does
};

Route route_of(const Request& request);

}  // namespace stand_in
