// What a webhook may be, and how its posts are signed.
//
// Pure functions: any thread, no lock. The checks throw kInvalidArgument with what was expected and
// never a byte of the secret or of a URL that holds credentials; signing throws kInternal where
// OpenSSL fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/envelope.hpp"

namespace keypool::core {

inline constexpr std::size_t kMaxWebhookUrl = 2048;
inline constexpr std::size_t kMinWebhookSecret = 16;
// What the table shows of a secret.
inline constexpr std::string_view kSealedSecret = "[sealed]";

// http or https, a host, and no credentials, which would go around the secret.
void check_webhook_url(std::string_view url);
void check_webhook_secret(std::string_view secret);
// Names of alerts' kinds, at least one.
void check_webhook_events(const std::vector<std::string_view>& events);

// What a webhook's secret is sealed to: its id, and that it is no API key. The URL is not in it, as
// it may change.
KeyIdentity webhook_identity(std::int64_t id) noexcept;

// `sha256=` and the HMAC-SHA256 of "timestamp.body" in lower case hexadecimal digits. That the
// timestamp is signed too keeps whoever has seen a post from sending it again later.
std::string sign_webhook(std::string_view secret, std::string_view timestamp,
                         std::string_view body);

}  // namespace keypool::core
