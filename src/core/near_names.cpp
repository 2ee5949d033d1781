#include "core/near_names.hpp"

#include <algorithm>
#include <utility>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

constexpr std::size_t kMostNear = 3;
constexpr std::size_t kLongestWanted = 64;
constexpr std::size_t kLeastPrefix = 3;

bool shares_beginning(std::string_view a, std::string_view b) {
  return std::min(a.size(), b.size()) >= kLeastPrefix && (a.starts_with(b) || b.starts_with(a));
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table are enough: the swap looks back two.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::vector<std::string> near_names(std::string_view wanted, std::span<const std::string> known) {
  if (wanted.empty() || wanted.size() > kLongestWanted) return {};
  const std::string folded = lower(wanted);
  const std::size_t most = std::max<std::size_t>(1, folded.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& name : known) {
    std::size_t distance = edit_distance(folded, name);
    if (distance > most && !shares_beginning(folded, lower(name))) continue;
    found.emplace_back(distance, name);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > kMostNear) found.resize(kMostNear);
  std::vector<std::string> names;
  for (auto& [distance, name] : found) names.push_back(std::move(name));
  return names;
}

}  // namespace keypool::core
