#include "core/hint.hpp"

#include <algorithm>
#include <array>

namespace keypool::core {
namespace {

// What providers put before every key of a kind, so it gives nothing away. A prefix stands before
// the shorter ones that it begins with.
constexpr std::array<std::string_view, 15> kPrefixes = {
    "sk-proj-", "sk-svcacct-", "sk-ant-api03-", "sk-ant-", "sk-or-v1-", "sk-",  "gsk_",       "hf_",
    "xai-",     "fw_",         "csk-",          "pplx-",   "tgp_v1_",   "AIza", "dev_local_",
};

constexpr std::string_view kEllipsis = "\u2026";
constexpr std::size_t kTailSize = 4;
constexpr std::size_t kMinHidden = 12;

bool may_show(std::size_t shown, std::size_t size) {
  return shown <= size / 3 && size - shown >= kMinHidden;
}

std::string_view known_prefix(std::string_view secret) {
  for (const std::string_view prefix : kPrefixes)
    if (secret.starts_with(prefix)) return prefix;
  return {};
}

// Anything else could be half a character or steer a terminal.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

std::string hint_of(std::string_view secret) {
  std::string_view prefix = known_prefix(secret);
  if (!may_show(prefix.size(), secret.size())) prefix = {};
  std::string hint(prefix);
  hint += kEllipsis;
  if (may_show(prefix.size() + kTailSize, secret.size())) {
    const std::string_view tail = secret.substr(secret.size() - kTailSize);
    if (is_plain(tail)) hint += tail;
  }
  return hint;
}

}  // namespace keypool::core
