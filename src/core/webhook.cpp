#include "core/webhook.hpp"

#include <algorithm>

#include "core/alert_rules.hpp"
#include "core/binary_text.hpp"
#include "core/cipher.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"

namespace keypool::core {

namespace {

[[noreturn]] void refuse(std::string message, std::string detail, std::string hint = {}) {
  throw Error(ErrorCode::kInvalidArgument, std::move(message), std::move(detail), std::move(hint));
}

[[noreturn]] void refuse_url(const char* expected) {
  refuse("url of a webhook is not one to post to", std::string("It must ") + expected + ".");
}

// What curl and a receiver could read differently.
bool is_strange(char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '\\'; }

}  // namespace

void check_webhook_url(std::string_view url) {
  if (url.size() > kMaxWebhookUrl) refuse_url("have at most 2048 bytes");
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0) refuse_url("begin with https:// or http://");
  if (std::any_of(url.begin(), url.end(), is_strange)) {
    refuse_url("hold neither white space nor backslashes");
  }
  const std::string_view rest = url.substr(scheme);
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (host.find('@') != std::string_view::npos) {
    refuse("url of a webhook holds credentials", "Anybody who reads the table would see them.",
           "The posts are signed with the webhook's secret, by which the receiver knows them.");
  }
  if (host.empty() || host.front() == ':') refuse_url("name a host");
}

void check_webhook_secret(std::string_view secret) {
  if (secret.size() >= kMinWebhookSecret && secret.size() <= kMaxSecretSize) return;
  refuse("secret of a webhook has the wrong length",
         "It has " + std::to_string(secret.size()) + " bytes; " +
             std::to_string(kMinWebhookSecret) + " to " + std::to_string(kMaxSecretSize) +
             " are allowed.",
         "Take a random one and give it to the receiver too: openssl rand -hex 32.");
}

void check_webhook_events(const std::vector<std::string_view>& events) {
  std::string kinds;
  for (const AlertKind kind : kAlertKinds) {
    kinds += (kinds.empty() ? "" : ", ") + std::string(name(kind));
  }
  const std::string hint = "The kinds are " + kinds + "; NULL means all.";
  if (events.empty()) refuse("a webhook without events would never be told of anything", {}, hint);
  for (const std::string_view event : events) {
    if (!alert_kind_from_name(event)) {
      refuse("unknown kind of alert: \"" + std::string(event.substr(0, 63)) + "\"", {}, hint);
    }
  }
}

KeyIdentity webhook_identity(std::int64_t id) noexcept {
  return {.key_id = id, .provider = {}, .owner_kind = "webhook", .owner = {}};
}

std::string sign_webhook(std::string_view secret, std::string_view timestamp,
                         std::string_view body) {
  std::string text(timestamp);
  text.append(".").append(body);
  return "sha256=" + to_hex(hmac_sha256(bytes_of(secret), bytes_of(text)));
}

}  // namespace keypool::core
