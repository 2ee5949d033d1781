// How each family of providers words its answers: bodies, headers, statuses.
//
// Called by provider.cpp for requests whose credential has been read. Pure but for clock and ids;
// safe from any thread. Shapes follow the providers' public API references and the error bodies
// that their users report.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "answer.hpp"
#include "behaviour.hpp"
#include "request.hpp"
#include "route.hpp"

namespace stand_in {

// One request to a provider, understood.
struct Call {
  const Request& request;
  const Route& route;
  std::string_view key;
  std::string model;  // named by the path or the body; empty when neither does
};

// What is wrong with a request before its key is even looked at.
enum class Fault {
  kNoCredential,
  kKeyInUrl,
  kNoVersion,  // anthropic-version is missing
  kNoSuchPath,
  kBodyNotJson,
};

namespace openai {
Answer success(const Call& call);
Answer failure(const Call& call, const Behaviour& behaviour);
Answer fault(const Call& call, Fault fault);
}  // namespace openai

// Providers that speak OpenAI's requests but word some errors their own way.
namespace compatible {
// Replaces the body, and the status where it differs, of an answer to a refused or empty account.
void reword(const Call& call, const Behaviour& behaviour, Answer& answer);
// GET /key, /user/balance and /api/whoami-v2.
Answer account(const Call& call);
}  // namespace compatible

namespace anthropic {
Answer success(const Call& call);
Answer failure(const Call& call, const Behaviour& behaviour);
Answer fault(const Call& call, Fault fault);
}  // namespace anthropic

namespace gemini {
Answer success(const Call& call);
Answer failure(const Call& call, const Behaviour& behaviour);
Answer fault(const Call& call, Fault fault);
}  // namespace gemini

// Shared by the dialects.
Answer json_answer(int status, const nlohmann::json& body);
void add_retry_after(const Behaviour& behaviour, Answer& answer);  // as the behaviour's form says
std::int64_t whole_seconds(std::int64_t milliseconds);             // rounded up

}  // namespace stand_in
