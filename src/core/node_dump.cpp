#include "core/node_dump.hpp"

#include <algorithm>
#include <charconv>

#include "core/ascii.hpp"

namespace keypool::core {
namespace {

constexpr int kLongestNumber = 8;  // bytes of what is no string: a number, a date, true

// :constvalue 23 [ 92 0 0 0 115 107 … ]
void find_bytes(std::string_view dump, std::vector<Hidden>& hidden) {
  constexpr std::string_view kField = ":constvalue ";
  for (std::size_t at = dump.find(kField); at != std::string_view::npos;
       at = dump.find(kField, at + 1)) {
    int size = 0;
    const char* const digits = dump.data() + at + kField.size();
    std::from_chars(digits, dump.data() + dump.size(), size);
    if (size <= kLongestNumber) continue;
    const std::size_t begin = dump.find('[', at);
    if (begin == std::string_view::npos) return;
    const std::size_t end = std::min(dump.find(']', begin), dump.size());
    hidden.push_back({begin + 1, end, HiddenKind::kTorn});
  }
}

// :val "sk-…" :location 12. The text may hold quotes, and is broken over lines at its colons: it
// ends with the last quote before the field that follows.
void find_text(std::string_view dump, std::string_view field, std::string_view next,
               std::vector<Hidden>& hidden) {
  for (std::size_t at = dump.find(field); at != std::string_view::npos;
       at = dump.find(field, at + 1)) {
    std::size_t begin = at + field.size();
    while (begin < dump.size() && is_space(dump[begin])) ++begin;
    if (begin == dump.size() || dump[begin] != '"') continue;
    const std::size_t limit = std::min(dump.find(next, begin), dump.size());
    const std::size_t quote = dump.substr(0, limit).rfind('"');
    const std::size_t end = quote > begin ? quote : limit;
    hidden.push_back({begin + 1, end, HiddenKind::kTorn});
  }
}

}  // namespace

bool is_node_dump(std::string_view text) noexcept {
  std::size_t start = 0;
  while (start < text.size() && is_space(text[start])) ++start;
  return start < text.size() && (text[start] == '{' || text[start] == '(') &&
         text.find(":location") != std::string_view::npos;
}

void find_dumped_constants(std::string_view dump, std::vector<Hidden>& hidden) {
  find_bytes(dump, hidden);
  find_text(dump, ":val ", ":location", hidden);
  find_text(dump, ":arg ", ":defaction", hidden);
}

}  // namespace keypool::core
