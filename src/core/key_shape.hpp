// What API keys look like: the prefixes that providers give them, and the characters behind those.
//
// Shared by scrub(), which takes too much rather than too little out of others' error messages,
// and by redact, which must leave ordinary log lines alone.
// Pure functions: any thread, no lock, no failure.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/ascii.hpp"

namespace keypool::core {

inline constexpr std::size_t kLeastKey = 8;  // behind a prefix that begins a word

// '@' because development keys hold an e-mail address.
constexpr bool is_key_char(char c) noexcept {
  return is_alnum(c) || c == '-' || c == '_' || c == '@';
}

struct KeyPrefix {
  std::string_view text;
  bool telling;  // begins nothing but keys; behind the others something like a key must follow
};

// The longest known prefix that `text` begins with; its text is empty when there is none.
KeyPrefix key_prefix(std::string_view text) noexcept;

// How much of a secret may be shown: its prefix, if a key stands behind it.
std::size_t shown_length(std::string_view secret) noexcept;

// Bytes [begin, end) of a text.
struct Span {
  std::size_t begin;
  std::size_t end;
};

// Each prefix has one of '-', '_' and 'z', and few other words do. The first of these at or after
// `from`, at the speed of memchr; npos: there is none.
std::size_t next_mark(std::string_view text, std::size_t from) noexcept;

// Quick to say no: may a prefix have its first mark there?
bool may_mark_prefix(std::string_view text, std::size_t mark) noexcept;

// The secret part of the first key that begins in `text` at or after `from` and that cannot well
// be anything else; empty at the end of `text` when there is none.
Span next_key(std::string_view text, std::size_t from) noexcept;

}  // namespace keypool::core
