#include "control.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "dialect.hpp"

namespace stand_in {

namespace {

using nlohmann::json;

Answer problem(int status, const std::string& message) {
  return json_answer(status, {{"error", message}});
}

Answer done() { return json_answer(200, {{"done", true}}); }

void reject_unknown_fields(const json& order) {
  static const std::set<std::string> kFields = {"key", "provider", "behaviour", "times", "default"};
  for (const auto& [name, value] : order.items()) {
    if (!kFields.contains(name)) throw ControlError("unknown field: " + name);
  }
}

std::optional<std::uint64_t> times_of(const json& order) {
  const auto times = order.find("times");
  if (times == order.end()) return std::nullopt;
  if (!times->is_number_integer() || *times < 1) {
    throw ControlError("times must be a positive integer");
  }
  return times->get<std::uint64_t>();
}

// "key" is one text or a list of them.
json keys_of(const json& order) {
  const auto key = order.find("key");
  if (key == order.end()) throw ControlError("key is missing");
  json keys = key->is_array() ? *key : json::array({*key});
  for (const json& one : keys) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty()) {
      throw ControlError("key must be a text or a list of texts");
    }
  }
  return keys;
}

}  // namespace

Answer Control::answer(const Request& request) {
  try {
    if (request.path == "/control/keys") return answer_keys(request);
    if (request.path == "/control/record") return answer_record(request);
    if (request.path == "/control/hooks") return answer_hooks(request);
    return problem(404, "the control API has /control/keys, /control/record and /control/hooks");
  } catch (const ControlError& error) {
    return problem(400, error.what());
  } catch (const json::exception&) {
    return problem(400, "a field has the wrong type");
  }
}

Answer Control::answer_keys(const Request& request) {
  if (request.method == "DELETE") {
    script_.clear();
    return done();
  }
  if (request.method != "POST") return problem(405, "use POST or DELETE");
  const json order = json::parse(request.body, nullptr, false);
  if (!order.is_object()) return problem(400, "the body must be a JSON object");
  write_script(order);
  return done();
}

void Control::write_script(const json& order) {
  reject_unknown_fields(order);
  // {"default": "refuse"} is short for the behaviour of every key that nobody speaks of.
  if (const auto fallback = order.find("default"); fallback != order.end()) {
    if (order.size() != 1 || (*fallback != "refuse" && *fallback != "accept")) {
      throw ControlError("default stands alone and is \"refuse\" or \"accept\"");
    }
    script_.set({}, Script::kAnyKey, parse_behaviour(*fallback == "refuse" ? "refuse" : "ok"),
                std::nullopt);
    return;
  }
  if (!order.contains("behaviour")) throw ControlError("behaviour is missing");
  const Behaviour behaviour = parse_behaviour(order["behaviour"]);
  const std::string provider = order.value("provider", "");
  const auto times = times_of(order);
  for (const json& key : keys_of(order)) {
    script_.set(provider, key.get_ref<const std::string&>(), behaviour, times);
  }
}

Answer Control::answer_record(const Request& request) {
  if (request.method == "GET") return json_answer(200, record_.report());
  if (request.method != "DELETE") return problem(405, "use GET or DELETE");
  record_.clear();
  return done();
}

Answer Control::answer_hooks(const Request& request) {
  if (request.method == "GET") return json_answer(200, receiver_.report());
  if (request.method != "DELETE") return problem(405, "use GET or DELETE");
  receiver_.clear();
  return done();
}

}  // namespace stand_in
