// String literals and blanks in SQL text, also where that SQL stands in a literal itself.
//
// In a literal every quote is doubled, so that the SQL in EXECUTE 'SELECT f(''x'')' has quotes of
// two characters, one level deeper of four. Callers say how many they read by.
// Pure functions: any thread, no lock, no failure; they read whatever they are given.
#pragma once

#include <cstddef>
#include <string_view>

namespace keypool::core {

constexpr bool is_name_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
constexpr bool is_name_char(char c) noexcept {
  return is_name_start(c) || (c >= '0' && c <= '9') || c == '$';
}

// How many single quotes stand in a row at `at`.
std::size_t quotes_at(std::string_view text, std::size_t at) noexcept;

struct Literal {
  std::size_t begin;  // of what is between the delimiters
  std::size_t end;
  std::size_t after;  // behind the closing delimiter
  bool closed;        // false: the text ends before it does
  bool torn;          // the literal around it ends before it does
};

// The literal that a quote of `quote` characters opens at `at`. `escapes`: a backslash takes the
// meaning from what follows, as in E''.
Literal quoted_literal(std::string_view text, std::size_t at, std::size_t quote,
                       bool escapes) noexcept;

// The literal $tag$…$tag$ that opens at `at`; after == at when none does.
Literal dollar_literal(std::string_view text, std::size_t at) noexcept;

// Behind the quoted identifier that opens at `at`.
std::size_t quoted_name_end(std::string_view text, std::size_t at) noexcept;

// The first character at or after `at` that is neither white space nor part of a comment.
std::size_t skip_blanks(std::string_view text, std::size_t at) noexcept;

}  // namespace keypool::core
