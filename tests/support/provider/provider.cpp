#include "provider.hpp"

#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "credential.hpp"
#include "mischief.hpp"
#include "text.hpp"

namespace stand_in {

namespace {

using nlohmann::json;

Answer success_of(const Call& call) {
  switch (call.route.dialect) {
    case Dialect::kAnthropic:
      return anthropic::success(call);
    case Dialect::kGemini:
      return gemini::success(call);
    default:
      return openai::success(call);
  }
}

Answer failure_of(const Call& call, const Behaviour& behaviour) {
  switch (call.route.dialect) {
    case Dialect::kAnthropic:
      return anthropic::failure(call, behaviour);
    case Dialect::kGemini:
      return gemini::failure(call, behaviour);
    default:
      return openai::failure(call, behaviour);
  }
}

Answer fault_of(const Call& call, Fault fault) {
  switch (call.route.dialect) {
    case Dialect::kAnthropic:
      return anthropic::fault(call, fault);
    case Dialect::kGemini:
      return gemini::fault(call, fault);
    default:
      return openai::fault(call, fault);
  }
}

// The model a chat request names, or nothing when its body is not a JSON object.
std::optional<std::string> model_of(const Request& request, const Route& route) {
  if (route.endpoint != Endpoint::kChat) return std::string{};
  const json body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) return std::nullopt;
  if (!route.model.empty()) return std::string(route.model);
  const auto model = body.find("model");
  return model != body.end() && model->is_string() ? model->get<std::string>() : std::string{};
}

std::optional<Fault> fault_in(const Call& call, bool body_is_json) {
  if (key_is_in_url(call.request)) return Fault::kKeyInUrl;
  if (call.route.endpoint == Endpoint::kNotFound) return Fault::kNoSuchPath;
  if (call.key.empty()) return Fault::kNoCredential;
  if (call.route.dialect == Dialect::kAnthropic && call.request.anthropic_version.empty()) {
    return Fault::kNoVersion;
  }
  if (!body_is_json) return Fault::kBodyNotJson;
  return std::nullopt;
}

}  // namespace

Answer Provider::answer(const Request& request) {
  if (request.path.starts_with("/redirect-target/")) return answer_redirected(request);

  const Route route = route_of(request);
  const std::string_view key = credential_of(request, route);
  const std::optional<std::string> model = model_of(request, route);
  const Call call{request, route, key, model.value_or("")};

  const std::string hint = key.empty() ? std::string{} : hint_of(key);
  Sighting sighting{route.provider, hint, request.method, request.path, 0};
  if (key_is_in_url(request)) {  // the record may be printed
    sighting.path = "(holds a key)";
    if (sighting.provider == key) sighting.provider = {};
  }
  note_violations(call, sighting);

  const std::optional<Fault> fault = fault_in(call, model.has_value());
  Answer answer = fault ? fault_of(call, *fault) : answer_call(call);
  sighting.status = answer.status;
  record_.count(sighting);
  return answer;
}

Answer Provider::answer_call(const Call& call) {
  const Behaviour behaviour = script_.take(call.route.provider, call.key);
  Answer answer;
  if (behaviour.kind == Kind::kOk) {
    answer = success_of(call);
  } else if (is_mischief(behaviour.kind)) {
    answer = spoiled(behaviour, success_of(call));
  } else {
    answer = failure_of(call, behaviour);
    if (behaviour.kind == Kind::kEcho) answer.add("x-echo", call.key);
  }
  answer.delay_ms = behaviour.after_ms;
  return answer;
}

void Provider::note_violations(const Call& call, const Sighting& sighting) {
  if (key_is_in_url(call.request)) record_.count_violation("key_in_url", sighting);
  if (has_foreign_header(call.request, call.route)) {
    record_.count_violation("foreign_credential_header", sighting);
  }
  if (call.route.dialect == Dialect::kAnthropic && call.request.anthropic_version.empty()) {
    record_.count_violation("missing_anthropic_version", sighting);
  }
}

Answer Provider::answer_redirected(const Request& request) {
  const auto headers = credential_headers(request);
  record_.count_redirect_target(headers);
  if (!headers.empty()) {
    record_.count_violation("credential_at_redirect_target",
                            {{}, {}, request.method, "/redirect-target/", 200});
  }
  return json_answer(200, {{"object", "list"}, {"data", json::array()}});
}

}  // namespace stand_in
