#include "core/key_shape.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace keypool::core {
namespace {

// From the facts about the providers. Longer before shorter.
constexpr std::array<KeyPrefix, 16> kPrefixes = {{{"sk-svcacct-", true},
                                                  {"sk-admin-", true},
                                                  {"sk-proj-", true},
                                                  {"sk-ant-", true},
                                                  {"sk-or-v1-", true},
                                                  {"sk-or-", false},
                                                  {"csk-", false},
                                                  {"sk-", false},
                                                  {"AIza", false},
                                                  {"gsk_", false},
                                                  {"tgp_v1_", true},
                                                  {"hf_", false},
                                                  {"xai-", false},
                                                  {"fw_", false},
                                                  {"pplx-", false},
                                                  {"dev_local_", true}}};

constexpr std::size_t kLongestPrefix = 11;
constexpr std::size_t kLeastStretch = 16;    // letters and digits in a row
constexpr std::size_t kLeastKeyInWord = 20;  // behind a telling prefix inside a word

// Letters and digits as no word has them: many in a row, one of them a digit or a capital.
bool has_random_stretch(std::string_view body) noexcept {
  for (std::size_t i = 0; i < body.size();) {
    bool odd = false;
    const std::size_t begin = i;
    for (; i < body.size() && is_alnum(body[i]); ++i) odd |= !(body[i] >= 'a' && body[i] <= 'z');
    if (odd && i - begin >= kLeastStretch) return true;
    ++i;
  }
  return false;
}

// An escape may stand right before a key: "\nsk-…" in JSON, "%3Dsk-…" in a URL.
bool begins_word(std::string_view text, std::size_t at) noexcept {
  if (at == 0 || !is_key_char(text[at - 1])) return true;
  if (at >= 2 && text[at - 2] == '\\') return true;
  return at >= 3 && text[at - 3] == '%';
}

// The secret part of the key whose prefix stands at `at`, empty if that is no key. Looks at what
// follows only where a key could begin, so that a long run of key characters is read once.
Span key_at(std::string_view text, std::size_t at) noexcept {
  const KeyPrefix prefix = key_prefix(text.substr(at, kLongestPrefix));
  const std::size_t begin = at + prefix.text.size();
  const bool begins = begins_word(text, at);
  if (prefix.text.empty() || (!begins && !prefix.telling)) return {begin, begin};
  std::size_t end = begin;
  while (end < text.size() && is_key_char(text[end])) ++end;
  const std::string_view body = text.substr(begin, end - begin);
  const bool is_key = prefix.telling ? body.size() >= (begins ? kLeastKey : kLeastKeyInWord)
                                     : has_random_stretch(body);
  return {begin, is_key ? end : begin};
}

// Eight characters at once: has `word` one that is `c`?
constexpr std::uint64_t kEach = 0x0101010101010101;
constexpr bool holds(std::uint64_t word, char c) noexcept {
  const std::uint64_t zero = word ^ (kEach * static_cast<unsigned char>(c));
  return ((zero - kEach) & ~zero & (kEach << 7)) != 0;
}

constexpr bool is_mark(char c) noexcept { return c == '-' || c == '_' || c == 'z'; }

// How far before its first mark a prefix begins, told by the character before the mark; 0: this is
// no prefix.
constexpr std::size_t lead_of(char mark, char before) noexcept {
  switch (before) {
    case 'k':
    case 'f':
    case 'w':
      return mark == 'z' ? 0 : 2;  // sk- hf_ fw_
    case 'i':
      return mark == '-' ? 3 : 0;  // xai-
    case 'x':
      return mark == '-' ? 4 : 0;  // pplx-
    case 'p':
    case 'v':
      return mark == '_' ? 3 : 0;  // tgp_ dev_
    case 'I':
      return mark == 'z' ? 2 : 0;  // AIz
    default:
      return 0;
  }
}

// The key whose prefix has its first mark at `mark`, empty if there is none.
Span key_around(std::string_view text, std::size_t from, std::size_t mark) noexcept {
  if (mark == from) return {mark, mark};
  const std::size_t lead = lead_of(text[mark], text[mark - 1]);
  if (lead == 0 || mark - from < lead) return {mark, mark};
  const char before = mark - from > lead ? text[mark - lead - 1] : ' ';
  const bool longer = text[mark - 1] == 'k' && (before == 'c' || before == 'g');  // csk- gsk_
  return key_at(text, mark - lead - (longer ? 1 : 0));
}

}  // namespace

KeyPrefix key_prefix(std::string_view text) noexcept {
  for (const KeyPrefix& prefix : kPrefixes) {
    if (text.starts_with(prefix.text)) return prefix;
  }
  return {"", false};
}

std::size_t shown_length(std::string_view secret) noexcept {
  const std::size_t prefix = key_prefix(secret).text.size();
  return secret.size() - prefix >= kLeastKey ? prefix : 0;
}

std::size_t next_mark(std::string_view text, std::size_t from) noexcept {
  std::size_t i = from;
  for (std::uint64_t word = 0; i + sizeof word <= text.size(); i += sizeof word) {
    std::memcpy(&word, text.data() + i, sizeof word);
    if (holds(word, '-') || holds(word, '_') || holds(word, 'z')) break;
  }
  while (i < text.size() && !is_mark(text[i])) ++i;
  return i < text.size() ? i : std::string_view::npos;
}

bool may_mark_prefix(std::string_view text, std::size_t mark) noexcept {
  return mark > 0 && lead_of(text[mark], text[mark - 1]) != 0;
}

Span next_key(std::string_view text, std::size_t from) noexcept {
  for (std::size_t mark = next_mark(text, from); mark != std::string_view::npos;
       mark = next_mark(text, mark + 1)) {
    const Span key = key_around(text, from, mark);
    if (key.begin < key.end) return key;
  }
  return {text.size(), text.size()};
}

}  // namespace keypool::core
