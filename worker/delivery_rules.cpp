#include "worker/delivery_rules.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/scrub.hpp"

namespace keypool::worker {

namespace {

constexpr core::Micros kFirstPause = core::kSecond;
constexpr core::Micros kLongestPause = core::kHour;
constexpr std::size_t kMostKept = 300;  // bytes of what a receiver says

constexpr int kGone = 410;

Attempt failed(std::string error, int status, int attempts, int most) {
  const bool last = attempts >= most;
  return {.result = last ? Attempt::Result::kGivenUp : Attempt::Result::kFailed,
          .status = status,
          .error = std::move(error),
          .pause = last ? 0 : retry_pause(attempts)};
}

}  // namespace

core::Micros retry_pause(int attempts) noexcept {
  core::Micros pause = kFirstPause;
  for (int i = 1; i < attempts && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

Attempt judge_answer(const HttpAnswer& answer, int attempts, int most, std::string_view secret) {
  // Its first line tells; that the rest of a body is too large or late does not undo that.
  if (answer.status >= 200 && answer.status < 300) {
    return {.result = Attempt::Result::kDelivered, .status = answer.status};
  }
  std::string error(answer.failure);
  if (error.empty()) {
    error = core::scrub(answer.body, secret);
    core::cut_utf8(error, kMostKept);
  }
  if (answer.status == kGone) {
    return {.result = Attempt::Result::kGone, .status = kGone, .error = std::move(error)};
  }
  return failed(std::move(error), answer.status, attempts, most);
}

Attempt judge_failure(std::string_view why, int attempts, int most) {
  return failed(std::string(why), 0, attempts, most);
}

}  // namespace keypool::worker
