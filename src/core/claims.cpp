#include "core/claims.hpp"

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "core/envelope.hpp"

namespace keypool::core {

namespace {

constexpr std::size_t kDeepestClaims = 32;

[[noreturn]] void refuse(const char* detail) {
  throw Error(ErrorCode::kInvalidArgument, "request.jwt.claims cannot be read", detail,
              "PostgREST sets it from a verified token; set it to a JSON object, or to nothing.");
}

}  // namespace

std::optional<std::string> subject_of(std::string_view claims) {
  if (claims.empty()) return std::nullopt;
  if (claims.size() > kMostClaimsBytes) refuse("It is longer than 64 KiB.");
  const std::optional<JsonValue> parsed = parse_json(claims, kDeepestClaims);
  if (!parsed || !parsed->is(JsonValue::Kind::kObject)) refuse("It is not a JSON object.");
  const JsonValue* subject = parsed->find("sub");
  if (subject == nullptr || subject->is(JsonValue::Kind::kNull)) return std::nullopt;
  if (!subject->is(JsonValue::Kind::kString)) refuse("The claim \"sub\" is not a string.");
  if (subject->text.find('\0') != std::string::npos) {
    refuse("The claim \"sub\" holds a null character.");
  }
  if (subject->text.size() > kMaxOwnerSize) refuse("The claim \"sub\" is longer than 255 bytes.");
  if (subject->text.empty()) return std::nullopt;
  return subject->text;
}

}  // namespace keypool::core
