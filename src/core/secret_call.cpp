#include "core/secret_call.hpp"

#include <algorithm>
#include <array>

#include "core/ascii.hpp"
#include "core/secret_arguments.hpp"
#include "core/sql_literal.hpp"

namespace keypool::core {
namespace {

struct Call {
  std::string_view name;
  std::array<SecretPlace, 2> places;
};

constexpr SecretPlace kNone = {0, SecretForm::kText};

// Every function that takes a secret. A new one gets a row here.
constexpr std::array<Call, 12> kCalls = {{
    {"add_key", {{{2, SecretForm::kText, "secret"}, kNone}}},
    {"add_my_key", {{{2, SecretForm::kText, "secret"}, kNone}}},
    {"add_webhook", {{{2, SecretForm::kText, "secret"}, kNone}}},
    {"import_aes_gcm", {{{1, SecretForm::kText, "sealed"}, {2, SecretForm::kText, "password"}}}},
    {"import_fernet", {{{1, SecretForm::kText, "token"}, {2, SecretForm::kText, "fernet_key"}}}},
    {"import_keys", {{{1, SecretForm::kDocument, "config"}, kNone}}},
    {"import_trace_keys", {{{1, SecretForm::kDocument, "headers"}, kNone}}},
    {"log_request", {{{6, SecretForm::kText, "api_key"}, kNone}}},
    {"log_requests", {{{1, SecretForm::kRequests, "requests"}, kNone}}},
    {"resolve_key", {{{1, SecretForm::kText, "secret"}, kNone}}},
    {"rotate_key", {{{2, SecretForm::kText, "secret"}, kNone}}},
    {"validate_key", {{{2, SecretForm::kText, "secret"}, kNone}}},
}};

constexpr std::string_view kWebhooks = "alert_webhooks";
constexpr std::string_view kExecute = "execute";

constexpr std::size_t underscore(std::string_view name) noexcept { return name.find('_'); }

// Which letters stand around the first underscore of a name: for each before it a bit for each
// after it. '_' is everywhere, in identifiers, and this is quick to say no.
constexpr std::array<std::uint32_t, 32> surroundings() noexcept {
  std::array<std::uint32_t, 32> table = {};
  const auto add = [&table](std::string_view name) {
    const std::size_t mark = underscore(name);
    table[name[mark - 1] & 31] |= 1U << (name[mark + 1] & 31);
  };
  for (const Call& call : kCalls) add(call.name);
  add(kWebhooks);
  return table;
}
constexpr std::array<std::uint32_t, 32> kSurroundings = surroundings();

// Does the whole word `name` stand there, its first underscore at `mark`?
bool stands_at(std::string_view text, std::size_t mark, std::string_view name) noexcept {
  const std::size_t lead = underscore(name);
  if (mark < lead || text.size() - (mark - lead) < name.size()) return false;
  const std::size_t begin = mark - lead;
  const std::size_t end = begin + name.size();
  return equal_ignoring_case(text.substr(begin, name.size()), name) &&
         (begin == 0 || !is_name_char(text[begin - 1])) &&
         (end == text.size() || !is_name_char(text[end]));
}

// Behind the parenthesis that opens the arguments of what ends at `end`; 0: none follows.
std::size_t arguments_at(std::string_view text, std::size_t end) noexcept {
  if (end < text.size() && text[end] == '"') ++end;
  end = skip_blanks(text, end);
  return end < text.size() && text[end] == '(' ? end + 1 : 0;
}

// The word that ends before `end`, white space, quotes and a schema's name left out.
std::string_view word_before(std::string_view text, std::size_t end) noexcept {
  const auto skip = [&](auto is_skipped) {
    while (end > 0 && is_skipped(text[end - 1])) --end;
  };
  skip([](char c) { return c == '"'; });
  if (end > 0 && text[end - 1] == '.') {
    skip([](char c) { return is_name_char(c) || c == '"' || c == '.'; });
  }
  skip([](char c) { return is_space(c); });
  const std::size_t word_end = end;
  skip([](char c) { return is_name_char(c); });
  return text.substr(end, word_end - end);
}

// A plan that writes the table: "Insert on keypool.alert_webhooks", "Relation Name": "…".
bool is_plan(std::string_view text, std::size_t begin, std::string_view verb) noexcept {
  constexpr std::size_t kLookBack = 24;
  const std::size_t from = begin - std::min(begin, kLookBack);
  if (text.substr(from, begin - from).find("Relation") != std::string_view::npos) return true;
  if (!equal_ignoring_case(verb, "on")) return false;
  const auto verb_at = static_cast<std::size_t>(verb.data() - text.data());
  const std::string_view action = word_before(text, verb_at);
  return action == "Insert" || action == "Update" || action == "Merge";
}

void hide_literals(std::string_view text, std::size_t at, SecretCalls& found) {
  found.any = true;
  for (at = text.find('\'', at); at < text.size(); at = text.find('\'', at)) {
    const Literal literal = quoted_literal(text, at, 1, false);
    hide_literal(text, literal.begin, literal.end, SecretForm::kText, found.hidden);
    at = literal.after;
  }
}

void read_webhooks(std::string_view text, std::size_t mark, const SqlReading& reading,
                   SecretCalls& found) {
  const std::size_t begin = mark - underscore(kWebhooks);
  std::size_t end = begin + kWebhooks.size();
  const std::string_view verb = word_before(text, begin);
  if (equal_ignoring_case(verb, "into") || equal_ignoring_case(verb, "update") ||
      equal_ignoring_case(verb, "only")) {
    if (text.substr(end).starts_with('"')) ++end;
    return read_secret_statement(text, end, reading.backslash_escapes, found);
  }
  if (is_plan(text, begin, verb)) return hide_literals(text, end, found);
  // The context of an error in COPY quotes the line: COPY alert_webhooks, line 1: "…"
  if (!equal_ignoring_case(verb, "copy")) return;
  const std::size_t quoted = text.find('"', end);
  if (quoted == std::string_view::npos) return;
  found.any = true;
  found.hidden.push_back({quoted + 1, text.size(), HiddenKind::kTorn});
}

void read_names(std::string_view text, const SqlReading& reading, SecretCalls& found) {
  for (std::size_t mark = text.find('_'); mark != std::string_view::npos;
       mark = text.find('_', mark + 1)) {
    if (!may_mark_call(text, mark)) continue;
    for (const Call& call : kCalls) {
      if (!stands_at(text, mark, call.name)) continue;
      const std::size_t arguments =
          arguments_at(text, mark - underscore(call.name) + call.name.size());
      if (arguments == 0) continue;
      const bool two = call.places[1].number != 0;
      read_secret_arguments(text, arguments, std::span(call.places).first(two ? 2 : 1),
                            reading.backslash_escapes, found);
    }
    if (stands_at(text, mark, kWebhooks)) read_webhooks(text, mark, reading, found);
  }
}

// EXECUTE name (…) of a statement that hands its parameters on as secrets.
void read_execute(std::string_view text, std::size_t end, const SqlReading& reading,
                  SecretCalls& found) {
  const std::size_t at = skip_blanks(text, end);
  if (at == text.size()) return;
  const bool quoted = text[at] == '"';
  std::size_t name_end = at;
  while (name_end < text.size() && is_name_char(text[name_end])) ++name_end;
  if (quoted) name_end = quoted_name_end(text, at);
  const std::string_view name =
      quoted ? text.substr(at + 1, name_end - at - 2) : text.substr(at, name_end - at);
  const std::size_t arguments = arguments_at(text, name_end);
  if (arguments == 0) return;
  for (const PreparedCall& call : reading.prepared) {
    if (quoted ? call.name != name : !equal_ignoring_case(call.name, name)) continue;
    read_secret_arguments(text, arguments, call.places, reading.backslash_escapes, found);
  }
}

void read_executes(std::string_view text, const SqlReading& reading, SecretCalls& found) {
  for (std::size_t i = 0; i + kExecute.size() < text.size(); ++i) {
    if (lower(text[i]) != kExecute[0] || (i > 0 && is_name_char(text[i - 1]))) continue;
    if (!equal_ignoring_case(text.substr(i, kExecute.size()), kExecute)) continue;
    if (is_name_char(text[i + kExecute.size()])) continue;
    read_execute(text, i + kExecute.size(), reading, found);
  }
}

}  // namespace

bool may_mark_call(std::string_view text, std::size_t mark) noexcept {
  return mark > 0 && mark + 1 < text.size() &&
         (kSurroundings[text[mark - 1] & 31] >> (text[mark + 1] & 31) & 1) != 0;
}

void find_secret_calls(std::string_view text, const SqlReading& reading, SecretCalls& found) {
  read_names(text, reading, found);
  if (!reading.prepared.empty()) read_executes(text, reading, found);
}

}  // namespace keypool::core
