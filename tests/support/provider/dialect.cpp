#include "dialect.hpp"

#include "text.hpp"

namespace stand_in {

Answer json_answer(int status, const nlohmann::json& body) {
  Answer answer;
  answer.status = status;
  answer.body = text_of(body);
  answer.add("content-type", "application/json");
  return answer;
}

std::int64_t whole_seconds(std::int64_t milliseconds) { return (milliseconds + 999) / 1000; }

void add_retry_after(const Behaviour& behaviour, Answer& answer) {
  const std::int64_t seconds = whole_seconds(behaviour.retry_after_ms);
  switch (behaviour.form) {
    case RetryForm::kUsual:
    case RetryForm::kSeconds:
      return answer.add("retry-after", std::to_string(seconds));
    case RetryForm::kDate:
      return answer.add("retry-after", http_date_in(Seconds(seconds)));
    case RetryForm::kMilliseconds:
      return answer.add("retry-after-ms", std::to_string(behaviour.retry_after_ms));
    case RetryForm::kRetryDelay:
    case RetryForm::kReset:
    case RetryForm::kNone:
      return;
  }
}

}  // namespace stand_in
