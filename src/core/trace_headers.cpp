#include "core/trace_headers.hpp"

#include <algorithm>
#include <span>

#include "core/ascii.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"

namespace keypool::core {

namespace {

constexpr std::size_t kMaxDepth = 8;

void wipe_texts(JsonValue& value) noexcept {
  wipe(std::as_writable_bytes(std::span(value.text.data(), value.text.size())));
  for (JsonValue& item : value.items) wipe_texts(item);
}

// The document as it was parsed, which holds every key in it.
struct WipedJson {
  JsonValue root;
  ~WipedJson() { wipe_texts(root); }
};

std::string_view fault_of(const JsonValue& value) noexcept {
  if (!value.is(JsonValue::Kind::kString)) return "is not a text";
  if (value.text.size() > TraceHeaders::kMostValue) return "is too long";
  return {};
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

}  // namespace

TraceHeaders::TraceHeaders(std::string_view json) {
  if (json.size() > kMostBytes) {
    throw Error(ErrorCode::kTooLarge, "headers are too long",
                "There may be " + std::to_string(kMostBytes) + " bytes of them.");
  }
  auto parsed = parse_json(json, kMaxDepth);
  WipedJson document{parsed ? std::move(*parsed) : JsonValue{}};
  const JsonValue& root = document.root;
  if (!root.is(JsonValue::Kind::kObject)) {
    throw Error(ErrorCode::kInvalidArgument, "headers must be a JSON object of texts", {},
                "Pass the request's headers as {\"X-API-Key-OpenAI\": \"…\", …}.");
  }
  if (root.names.size() > kMostHeaders) {
    throw Error(ErrorCode::kTooLarge, "there are too many headers",
                "There may be " + std::to_string(kMostHeaders) + ".");
  }
  for (std::size_t i = 0; i < root.names.size(); ++i) {
    const std::string_view fault = fault_of(root.items[i]);
    headers_.push_back({lower(root.names[i]),
                        Secret(fault.empty() ? trimmed(root.items[i].text) : std::string_view{}),
                        fault});
  }
}

std::optional<TraceHeaders::Value> TraceHeaders::find(std::string_view name) const noexcept {
  std::optional<Value> found;
  for (const Header& header : headers_) {
    if (!equal_ignoring_case(header.name, name)) continue;
    if (found) return Value{{}, "is given twice"};
    found = Value{header.value.view(), header.fault};
  }
  if (found && found->text.empty() && found->fault.empty()) return std::nullopt;
  return found;
}

std::optional<std::string_view> TraceHeaders::named(std::string_view name) const {
  const auto value = find(name);
  if (!value) return std::nullopt;
  const bool plain = std::none_of(value->text.begin(), value->text.end(), is_control);
  const std::string_view fault = plain ? value->fault : "holds control characters";
  if (fault.empty()) return value->text;
  throw Error(ErrorCode::kInvalidArgument, "header " + std::string(name) + " " + std::string(fault),
              {}, "Say whose keys these are with the argument user_id or organization_id.");
}

}  // namespace keypool::core
