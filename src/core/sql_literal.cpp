#include "core/sql_literal.hpp"

#include <algorithm>

#include "core/ascii.hpp"

namespace keypool::core {

std::size_t quotes_at(std::string_view text, std::size_t at) noexcept {
  std::size_t count = 0;
  while (at + count < text.size() && text[at + count] == '\'') ++count;
  return count;
}

Literal quoted_literal(std::string_view text, std::size_t at, std::size_t quote,
                       bool escapes) noexcept {
  const std::size_t begin = std::min(at + quote, text.size());
  for (std::size_t i = begin; i < text.size();) {
    if (escapes && text[i] == '\\') {
      const bool quoted = quotes_at(text, i + 1) >= quote;
      i = std::min(i + 1 + (quoted ? quote : 1), text.size());
      continue;
    }
    if (text[i] != '\'') {
      ++i;
      continue;
    }
    const std::size_t run = quotes_at(text, i);
    const std::size_t quotes = run / quote;  // each two of them stand for one in the literal
    i += run;
    const std::size_t end = i - run % quote;
    if (quotes % 2 == 1) return {begin, end - quote, end, true, false};
    if (run % quote != 0) return {begin, end, end, false, true};
  }
  return {begin, text.size(), text.size(), false, false};
}

Literal dollar_literal(std::string_view text, std::size_t at) noexcept {
  std::size_t i = at + 1;
  if (i < text.size() && is_name_start(text[i])) {
    while (i < text.size() && is_name_char(text[i]) && text[i] != '$') ++i;
  }
  if (i >= text.size() || text[i] != '$') return {at, at, at, false, false};
  const std::string_view tag = text.substr(at, i + 1 - at);
  const std::size_t end = text.find(tag, i + 1);
  if (end == std::string_view::npos) return {i + 1, text.size(), text.size(), false, false};
  return {i + 1, end, end + tag.size(), true, false};
}

std::size_t quoted_name_end(std::string_view text, std::size_t at) noexcept {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] != '"') continue;
    if (i + 1 == text.size() || text[i + 1] != '"') return i + 1;
    ++i;
  }
  return text.size();
}

std::size_t skip_blanks(std::string_view text, std::size_t at) noexcept {
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (is_space(rest[0])) {
      ++at;
    } else if (rest.starts_with("--")) {
      at = std::min(text.find('\n', at), text.size());
    } else if (rest.starts_with("/*")) {
      std::size_t depth = 0;  // comments nest
      do {
        const std::string_view here = text.substr(at, 2);
        depth += here == "/*" ? 1 : here == "*/" ? -1 : 0;
        at += here == "/*" || here == "*/" ? 2 : 1;
      } while (depth > 0 && at < text.size());
    } else {
      break;
    }
  }
  return std::min(at, text.size());
}

}  // namespace keypool::core
