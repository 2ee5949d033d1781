#include "worker/webhooks.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/webhook.hpp"
#include "pg/settings.hpp"
#include "store/keyring.hpp"
#include "store/shared_pool.hpp"
#include "worker/attempt.hpp"
#include "worker/delivery_rules.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

std::string seconds_of_unix_time(core::Micros now) {
  return std::to_string((now - core::kUnixEpoch) / core::kSecond);
}

HttpRequest request_of(DueDelivery& delivery, std::string_view secret, core::Micros now) {
  const std::string timestamp = seconds_of_unix_time(now);
  const std::string signature = core::sign_webhook(secret, timestamp, delivery.body);
  return {.url = delivery.url,
          .headers = {"Content-Type: application/json", "X-Keypool-Event: " + delivery.event,
                      "X-Keypool-Delivery: " + delivery.id, "X-Keypool-Timestamp: " + timestamp,
                      "X-Keypool-Signature: " + signature,
                      "Expect:"},  // a body goes out at once, however long
          .body = std::move(delivery.body),
          .timeout_ms = pg::settings().request_timeout};
}

struct Opened {
  core::Secret secret;
  std::string problem;  // empty: there is none
};

// Inside a transaction.
Opened open(const DueDelivery& delivery) {
  try {
    return {store::open_secret(delivery.envelope, core::webhook_identity(delivery.webhook_id)), {}};
  } catch (const core::Error& error) {
    return {{}, std::string("the webhook's secret could not be opened: ") + error.what()};
  }
}

// The webhook is named by its id: the path of its URL may be what lets one post there.
void tell_of_end(const Attempted& delivery) {
  const bool gone = delivery.attempt.result == Attempt::Result::kGone;
  if (!gone && delivery.attempt.result != Attempt::Result::kGivenUp) return;
  const auto webhook = static_cast<long long>(delivery.webhook_id);
  const auto alert = static_cast<long long>(delivery.alert_id);
  const char* error = delivery.attempt.error.c_str();
  const int status = delivery.attempt.status;
  pg::call([=] {
    if (gone) {
      ereport(WARNING, (errmsg("webhook %lld is gone and was disabled", webhook),
                        errdetail("It answered 410 to alert %lld.", alert)));
    } else {
      ereport(WARNING, (errmsg("gave up posting alert %lld to webhook %lld", alert, webhook),
                        errdetail("The last attempt failed with status %d: %s", status, error),
                        errhint("See keypool.webhook_status and keypool.webhook_deliveries.")));
    }
  });
}

}  // namespace

core::Micros Webhooks::next_due(core::Micros now) const noexcept {
  if (attempted_.empty() && look_at_ == core::kNever) return core::kNever;
  const core::Micros due = attempted_.empty() ? std::max(look_at_, now) : now;
  return std::max(due, not_before_);
}

void Webhooks::advance(core::Micros now) {
  take_answers();
  if (next_due(now) > now) return;
  if (record(now) && look()) {
    retry_pause_ = kShortestRetry;
    not_before_ = 0;
  } else {
    look_at_ = 0;
    not_before_ = now + retry_pause_;
    retry_pause_ = std::min(retry_pause_ * 2, kLongestRetry);
  }
}

void Webhooks::take_answers() {
  for (const HttpAnswer& answer : transport_.advance().answers) {
    const auto node = posts_.extract(answer.ticket);
    const Post& post = node.mapped();
    conclude(post.delivery, judge_answer(answer, post.delivery.attempts + 1,
                                         pg::settings().webhook_attempts, post.secret.view()));
  }
}

void Webhooks::conclude(const DueDelivery& delivery, Attempt attempt) {
  give_place_back(delivery);
  if (attempt.result == Attempt::Result::kDelivered) {
    failing_.erase(delivery.webhook_id);
  } else {
    failing_.insert(delivery.webhook_id);
  }
  attempted_.push_back({delivery.id, delivery.webhook_id, delivery.alert_id, std::move(attempt)});
}

bool Webhooks::record(core::Micros now) {
  if (attempted_.empty()) return true;
  const bool sweep = now >= sweep_at_;
  const bool done = attempt([&] {
    record_attempts(attempted_);
    if (sweep) sweep_deliveries();
  });
  if (!done) return false;
  if (sweep) sweep_at_ = now + kSweepPause;
  for (const Attempted& delivery : attempted_) tell_of_end(delivery);
  attempted_.clear();
  // There is room for others, and what failed has its next time.
  look_at_ = 0;
  return true;
}

bool Webhooks::look() {
  std::vector<DueDelivery> due;
  core::Micros next = core::kNever;
  const bool done = attempt([&] {
    due = read_due_deliveries(under_way(), kMostEach);
    next = next_delivery();
  });
  if (!done) return false;
  look_at_ = next;
  if (due.empty()) return true;
  return send(std::move(due));
}

bool Webhooks::send(std::vector<DueDelivery> due) {
  std::erase_if(due, [this](const DueDelivery& delivery) { return !take_place(delivery); });
  std::vector<Opened> opened(due.size());
  const bool done = attempt([&] {
    for (std::size_t i = 0; i < due.size(); ++i) opened[i] = open(due[i]);
  });
  if (!done) {
    for (const DueDelivery& delivery : due) give_place_back(delivery);
    return false;
  }
  for (std::size_t i = 0; i < due.size(); ++i) {
    if (!opened[i].problem.empty()) {
      conclude(due[i], judge_failure(opened[i].problem, due[i].attempts + 1,
                                     pg::settings().webhook_attempts));
      continue;
    }
    const std::uint64_t ticket = ++last_ticket_;
    HttpRequest request = request_of(due[i], opened[i].secret.view(), store::now());
    posts_.emplace(ticket, Post{std::move(due[i]), std::move(opened[i].secret)});
    transport_.send(ticket, std::move(request));
  }
  return true;
}

bool Webhooks::take_place(const DueDelivery& delivery) {
  std::size_t& busy = busy_[delivery.webhook_id];
  const std::size_t most = failing_.contains(delivery.webhook_id) ? 1 : kMostEach;
  const bool room = places_taken_ < std::min(kMostAtOnce, transport_.places()) && busy < most;
  places_taken_ += room;
  busy += room;
  if (busy == 0) busy_.erase(delivery.webhook_id);
  return room;
}

void Webhooks::give_place_back(const DueDelivery& delivery) {
  --places_taken_;
  const auto busy = busy_.find(delivery.webhook_id);
  if (--busy->second == 0) busy_.erase(busy);
}

std::vector<std::string> Webhooks::under_way() const {
  std::vector<std::string> ids;
  for (const auto& [ticket, post] : posts_) ids.push_back(post.delivery.id);
  for (const Attempted& delivery : attempted_) ids.push_back(delivery.id);
  return ids;
}

}  // namespace keypool::worker
