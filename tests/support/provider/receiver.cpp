#include "receiver.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <string>
#include <utility>

#include "dialect.hpp"
#include "mischief.hpp"

namespace stand_in {

namespace {

using nlohmann::json;

int status_of(const Behaviour& behaviour) {
  switch (behaviour.kind) {
    case Kind::kRefuse:
    case Kind::kEcho:
      return 401;
    case Kind::kPermission:
    case Kind::kRestricted:
    case Kind::kRegionBlocked:
      return 403;
    case Kind::kRateLimit:
    case Kind::kQuota:
      return 429;
    case Kind::kOverloaded:
      return 503;
    case Kind::kModelNotFound:
      return 404;
    case Kind::kBadRequest:
      return 400;
    default:
      return behaviour.status;
  }
}

Answer answer_as(const Behaviour& behaviour) {
  Answer good = json_answer(200, {{"received", true}});
  if (behaviour.kind == Kind::kOk) return good;
  if (is_mischief(behaviour.kind)) return spoiled(behaviour, std::move(good));
  return json_answer(status_of(behaviour), {{"error", "the receiver was told to fail"}});
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

double unix_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace

Answer Receiver::answer(const Request& request) {
  const std::string_view name = request.path.substr(std::string_view("/hooks/").size());
  if (request.method != "POST") return json_answer(405, {{"error", "use POST"}});
  const Behaviour behaviour = script_.take("hooks", name);
  Answer answer = answer_as(behaviour);
  answer.delay_ms = behaviour.after_ms;
  keep(request, name, answer.delivery == Delivery::kHang ? 0 : answer.status);
  return answer;
}

void Receiver::keep(const Request& request, std::string_view name, int status) {
  json headers = json::object();
  for (const auto& [header, value] : request.headers) headers[lower_case(header)] = value;
  json post = {{"hook", name},
               {"status", status},
               {"at", unix_time()},
               {"headers", std::move(headers)},
               {"body", request.body}};
  const std::lock_guard lock(mutex_);
  if (posts_.size() < kMostPosts) {
    posts_.push_back(std::move(post));
  } else {
    ++unlisted_;
  }
}

json Receiver::report() const {
  const std::lock_guard lock(mutex_);
  return {{"posts", posts_}, {"unlisted", unlisted_}};
}

void Receiver::clear() {
  const std::lock_guard lock(mutex_);
  posts_.clear();
  unlisted_ = 0;
}

}  // namespace stand_in
