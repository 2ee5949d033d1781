#include "core/redact.hpp"

#include <algorithm>
#include <charconv>

#include "core/ascii.hpp"
#include "core/key_shape.hpp"
#include "core/node_dump.hpp"
#include "core/sql_literal.hpp"

namespace keypool::core {
namespace {

constexpr std::string_view kRedacted = "[redacted]";

// Lists as the server writes them: $1 = 'openai', $2 = 'sk-…'
void find_parameters(std::string_view text, const std::vector<SecretPlace>& places,
                     std::vector<Hidden>& hidden) {
  if (places.empty()) return;
  for (std::size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    int number = 0;
    const char* const end = text.data() + text.size();
    const char* rest = std::from_chars(text.data() + at + 1, end, number).ptr;
    const auto equals = static_cast<std::size_t>(rest - text.data());
    if (number == 0 || text.substr(equals, 4) != " = '") continue;
    const Literal value = quoted_literal(text, equals + 3, 1, false);
    for (const SecretPlace& place : places) {
      if (place.number == number) hide_literal(text, value.begin, value.end, place.form, hidden);
    }
    if (value.after == text.size()) return;
    at = value.after - 1;
  }
}

// Outside a literal only what can neither end a word nor begin a comment is replaced.
bool is_word_char(char c) noexcept { return is_alnum(c) || static_cast<unsigned char>(c) >= 0x80; }

char masked(char c, HiddenKind kind) noexcept {
  // What gives quotes their meaning stays, or the text would end elsewhere for who reads it again.
  if (kind == HiddenKind::kLiteral) return c == '\'' || c == '\\' ? c : '*';
  return is_word_char(c) ? 'x' : c;
}

bool mask(char* text, const Hidden& hidden) noexcept {
  bool changed = false;
  for (std::size_t i = hidden.begin; i < hidden.end; ++i) {
    changed |= text[i] != masked(text[i], hidden.kind);
    text[i] = masked(text[i], hidden.kind);
  }
  return changed;
}

}  // namespace

bool may_hold_secret(std::string_view text, const SqlReading& reading) noexcept {
  if (!reading.prepared.empty()) return true;
  for (std::size_t mark = next_mark(text, 0); mark != std::string_view::npos;
       mark = next_mark(text, mark + 1)) {
    if (may_mark_prefix(text, mark) || (text[mark] == '_' && may_mark_call(text, mark)))
      return true;
  }
  return is_node_dump(text);
}

std::vector<Hidden> find_secrets(std::string_view text, const SqlReading& reading,
                                 SecretCalls* calls) {
  if (!may_hold_secret(text, reading)) return {};
  SecretCalls found;
  find_secret_calls(text, reading, found);
  for (Span key = next_key(text, 0); key.begin < key.end; key = next_key(text, key.end)) {
    found.hidden.push_back({key.begin, key.end, HiddenKind::kBare});
  }
  if (is_node_dump(text)) find_dumped_constants(text, found.hidden);
  std::vector<Hidden> hidden = std::move(found.hidden);
  if (calls != nullptr) *calls = std::move(found);
  return hidden;
}

bool mask_secrets(char* text, std::vector<Hidden>& hidden) noexcept {
  // A key in a literal is part of it: what is masked twice would never stay the same.
  std::sort(hidden.begin(), hidden.end(), [](const Hidden& a, const Hidden& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.kind < b.kind;
  });
  bool changed = false;
  std::size_t literals_to = 0;
  for (Hidden part : hidden) {
    if (part.kind == HiddenKind::kLiteral) {
      literals_to = std::max(literals_to, part.end);
    } else {
      part.begin = std::max(part.begin, literals_to);
    }
    changed |= mask(text, part);
  }
  return changed;
}

std::string without_secrets(std::string_view text, std::vector<Hidden> hidden,
                            std::string_view ellipsis) {
  std::sort(hidden.begin(), hidden.end(),
            [](const Hidden& a, const Hidden& b) { return a.begin < b.begin; });
  std::string out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < hidden.size();) {
    const std::size_t begin = hidden[i].begin;
    std::size_t end = hidden[i].end;
    for (++i; i < hidden.size() && hidden[i].begin <= end; ++i) end = std::max(end, hidden[i].end);
    out += text.substr(at, begin - at);
    if (begin > 0 && is_key_char(text[begin - 1])) out += ellipsis;
    out += kRedacted;
    at = end;
  }
  out += text.substr(at);
  return out;
}

void RedactedEntry::learn(std::string_view text, bool error) {
  SecretCalls calls;
  for (const Hidden& part : find_secrets(text, reading_, &calls)) {
    if (error) fragments_.add(text.substr(part.begin, part.end - part.begin));
  }
  parameters_.insert(parameters_.end(), calls.parameters.begin(), calls.parameters.end());
}

bool RedactedEntry::has_document_parameter() const noexcept {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [](const SecretPlace& place) { return place.form != SecretForm::kText; });
}

std::optional<std::string> RedactedEntry::hide(std::string_view text, std::string_view ellipsis) {
  SecretCalls calls;
  std::vector<Hidden> hidden = find_secrets(text, reading_, &calls);
  find_parameters(text, parameters_, hidden);
  find_parameters(text, calls.parameters, hidden);
  fragments_.find(text, hidden);
  if (hidden.empty()) return {};
  return without_secrets(text, std::move(hidden), ellipsis);
}

}  // namespace keypool::core
