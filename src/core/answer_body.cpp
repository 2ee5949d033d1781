#include "core/answer_body.hpp"

#include <algorithm>
#include <utility>

#include "core/ascii.hpp"
#include "core/duration.hpp"
#include "core/json_value.hpp"

namespace keypool::core {
namespace {

using Kind = JsonValue::Kind;

constexpr std::size_t kDepth = 32;

// "code":429, and Azure's "code":"429".
int as_status(std::string_view text) noexcept {
  if (text.size() != 3 || !std::all_of(text.begin(), text.end(), is_digit)) return 0;
  const int status = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  return status >= 400 && status < 600 ? status : 0;
}

void take_word(const JsonValue& node, std::string_view member, AnswerBody& out) {
  const JsonValue* value = node.find(member);
  if (value == nullptr || !(value->is(Kind::kString) || value->is(Kind::kNumber))) return;
  if (const int status = as_status(value->text); status != 0) {
    if (out.status == 0) out.status = status;
  } else if (value->is(Kind::kString) && !value->text.empty()) {
    out.words.push_back(value->text);
  }
}

void take_message(const JsonValue& node, AnswerBody& out) {
  for (const std::string_view member : {"message", "detail", "error_description"}) {
    if (out.message.empty()) out.message = node.string_at(member);
  }
}

// A violation of a limit that holds for one model: named, or said by the quota's id.
bool is_about_model(const JsonValue& violation) {
  const JsonValue* dimensions = violation.find("quotaDimensions");
  if (dimensions != nullptr && dimensions->find("model") != nullptr) return true;
  return violation.string_at("quotaId").find("PerModel") != std::string_view::npos;
}

// Google's details: typed records, found by the end of their "@type".
void take_google_details(const JsonValue& error, AnswerBody& out) {
  const JsonValue* details = error.find("details");
  if (details == nullptr || !details->is(Kind::kArray)) return;
  for (const JsonValue& record : details->items) {
    const std::string_view type = record.string_at("@type");
    if (type.ends_with("ErrorInfo")) {
      take_word(record, "reason", out);
    } else if (type.ends_with("RetryInfo")) {
      if (const auto delay = parse_duration(record.string_at("retryDelay")))
        out.retry_delay = delay;
    } else if (type.ends_with("QuotaFailure")) {
      const JsonValue* violations = record.find("violations");
      if (violations == nullptr || !violations->is(Kind::kArray)) continue;
      out.about_model = out.about_model || std::any_of(violations->items.begin(),
                                                       violations->items.end(), is_about_model);
    }
  }
}

void take_error(const JsonValue& error, AnswerBody& out) {
  take_google_details(error, out);
  for (const std::string_view member : {"code", "type", "status"}) take_word(error, member, out);
  take_message(error, out);
  if (error.string_at("param") == "model") out.about_model = true;
}

void take_root(const JsonValue& root, bool succeeded, AnswerBody& out) {
  const JsonValue* error = root.find("error");
  if (error != nullptr && error->is(Kind::kObject) && !error->items.empty()) {
    out.has_error = true;
    take_error(*error, out);
  } else if (error != nullptr && error->is(Kind::kString) && !error->text.empty()) {
    out.has_error = true;
    out.message = error->text;
    take_word(root, "code", out);
  } else if (!succeeded && root.is(Kind::kObject)) {
    out.has_error = true;
    take_error(root, out);
  }
}

}  // namespace

AnswerBody read_answer_body(std::string_view body, bool succeeded) {
  AnswerBody out;
  body = trimmed(body.substr(0, kMostBody));
  if (body.empty()) return out;
  const auto root = parse_json(body, kDepth);
  if (!root) {
    if (!succeeded) out.message = body;
    return out;
  }
  const bool wrapped = root->is(Kind::kArray) && !root->items.empty();
  take_root(wrapped ? root->items.front() : *root, succeeded, out);
  if (!succeeded && root->is(Kind::kString)) out.message = root->text;
  return out;
}

}  // namespace keypool::core
