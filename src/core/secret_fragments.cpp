#include "core/secret_fragments.hpp"

#include <algorithm>

namespace keypool::core {
namespace {

constexpr std::size_t kWindow = 8;
constexpr std::size_t kMostBytes = 65'536;

std::uint64_t window_at(std::string_view text, std::size_t at) noexcept {
  std::uint64_t window = 0;
  for (std::size_t i = 0; i < kWindow; ++i) {
    window = window << 8 | static_cast<unsigned char>(text[at + i]);
  }
  return window;
}

}  // namespace

void SecretFragments::add(std::string_view secret) {
  // What has been masked already tells nothing.
  if (secret.find_first_not_of('*') == std::string_view::npos) return;
  secret = secret.substr(0, kMostBytes);
  for (std::size_t i = 0; i + kWindow <= secret.size(); ++i) {
    windows_.push_back(window_at(secret, i));
  }
  sorted_ = false;
}

void SecretFragments::find(std::string_view text, std::vector<Hidden>& hidden) {
  if (windows_.empty()) return;
  if (!sorted_) std::sort(windows_.begin(), windows_.end());
  sorted_ = true;
  std::size_t hidden_to = 0;
  for (std::size_t i = 0; i + kWindow <= text.size(); ++i) {
    if (!std::binary_search(windows_.begin(), windows_.end(), window_at(text, i))) continue;
    const std::size_t begin = std::max(i, hidden_to);
    hidden_to = i + kWindow;
    if (!hidden.empty() && hidden.back().end == begin) {
      hidden.back().end = hidden_to;
    } else {
      hidden.push_back({begin, hidden_to, HiddenKind::kTorn});
    }
  }
}

}  // namespace keypool::core
