#include "core/secret_arguments.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/ascii.hpp"
#include "core/sql_literal.hpp"

namespace keypool::core {
namespace {

constexpr std::size_t kDeepestQuote = 8;   // characters: a literal in a literal in a literal
constexpr std::size_t kLeastNameKey = 8;   // a secret given in double quotes by mistake
constexpr std::size_t kLongestNumber = 5;  // digits of a parameter

// Calls within calls within calls are read again and again: who writes so many gets all hidden.
constexpr std::size_t kMostReadings = 32;  // of a whole text
constexpr std::size_t kFreeEffort = 65'536;

// Words that leave an argument what it is.
constexpr std::array<std::string_view, 10> kPlainWords = {
    "null", "text", "json", "jsonb", "varchar", "cast", "as", "pg_catalog", "character", "varying"};

enum class Ending { kClosed, kCutOff, kTorn };

// One attempt, with quotes of a given length.
class Attempt {
 public:
  // No places: everything is secret, up to the end of the statement.
  Attempt(std::string_view text, std::optional<std::span<const SecretPlace>> places,
          std::size_t quote, bool escapes)
      : text_(text), places_(places), quote_(quote), escapes_(escapes) {}

  Ending read(std::size_t at) {
    begin_argument(1);
    for (at_ = skip_blanks(text_, at); at_ < text_.size(); at_ = skip_blanks(text_, at_)) {
      const std::optional<Ending> ending = read_token();
      if (ending) return *ending;
    }
    return places_ ? Ending::kCutOff : Ending::kClosed;
  }

  std::size_t at() const noexcept { return at_; }

  SecretCalls found;

 private:
  void begin_argument(int number) {
    number_ = number;
    starts_ = true;
    secret_ = {};
    if (!places_) secret_ = SecretForm::kText;
    if (!places_ || named_) return;
    for (const SecretPlace& place : *places_) {
      if (place.number == number) secret_ = place.form;
    }
  }

  void name_argument(std::string_view name) {
    secret_ = {};
    named_ = true;
    for (const SecretPlace& place : *places_) {
      if (equal_ignoring_case(place.name, name)) secret_ = place.form;
    }
  }

  std::optional<Ending> read_token() {
    const char c = text_[at_];
    const bool first = std::exchange(starts_, false);
    if (c == '\'') return read_literal(escapes_);
    if (c == '$') return read_dollar();
    if (c == '"') return read_quoted_name(first);
    if (is_name_start(c)) return read_word(first);
    if (c == ';') return places_ ? Ending::kTorn : Ending::kClosed;
    casts_ = text_.substr(at_, 2) == "::" || (casts_ && c == '.');
    at_ += casts_ && c == ':' ? 2 : 1;
    if (c == '(' || c == '[') ++depth_;
    if (c == ')' || c == ']') {
      if (depth_ == 0) return Ending::kClosed;
      --depth_;
    }
    if (c == ',' && depth_ == 0) begin_argument(number_ + 1);
    return {};
  }

  std::optional<Ending> read_literal(bool escapes) {
    const std::size_t run = quotes_at(text_, at_);
    if (run < quote_) return places_ ? Ending::kTorn : Ending::kClosed;
    const Literal literal = quoted_literal(text_, at_, quote_, escapes);
    hide(literal);
    if (literal.torn) return Ending::kTorn;
    if (!literal.closed) return Ending::kCutOff;
    at_ = literal.after;
    // Nothing that SQL allows follows like this: the quotes are of another length.
    if (at_ < text_.size() && is_name_char(text_[at_])) return Ending::kTorn;
    const bool empty = literal.begin == literal.end;
    if (empty ? !ends_empty_literal() : meets_literal()) return Ending::kTorn;
    return {};
  }

  bool ends_empty_literal() const noexcept {
    constexpr std::string_view kFollowers = ",):|];=<> \t\r\n";
    if (at_ == text_.size()) return true;
    if (kFollowers.find(text_[at_]) == std::string_view::npos) return false;
    const std::size_t next = skip_blanks(text_, at_);
    return next == text_.size() || !(is_name_char(text_[next]) || text_[next] == '\'');
  }

  // Literals go on after a line's end only; on the same line a comma has been forgotten.
  bool meets_literal() const noexcept {
    const std::size_t next = skip_blanks(text_, at_);
    return next < text_.size() && text_[next] == '\'' &&
           text_.substr(at_, next - at_).find('\n') == std::string_view::npos;
  }

  std::optional<Ending> read_dollar() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_digit(text_[end]) && end - at_ <= kLongestNumber) ++end;
    if (end > at_ + 1) {
      int number = 0;
      for (std::size_t i = at_ + 1; i < end; ++i) number = number * 10 + (text_[i] - '0');
      if (secret_) found.parameters.push_back({number, *secret_});
      at_ = end;
      return {};
    }
    const Literal literal = dollar_literal(text_, at_);
    if (literal.after == at_) {
      ++at_;
      return {};
    }
    hide(literal);
    at_ = literal.after;
    return literal.closed ? std::nullopt : std::optional(Ending::kCutOff);
  }

  std::optional<Ending> read_quoted_name(bool first) {
    const std::size_t begin = at_ + 1;
    at_ = quoted_name_end(text_, at_);
    const std::size_t end = at_ > begin && text_[at_ - 1] == '"' ? at_ - 1 : at_;
    if (first && takes_name(text_.substr(begin, end - begin))) return {};
    if (!secret_ || !places_) return {};
    found.plain = false;
    if (end - begin >= kLeastNameKey) found.hidden.push_back({begin, end, HiddenKind::kLiteral});
    return {};
  }

  std::optional<Ending> read_word(bool first) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (first && takes_name(word)) return {};
    if (equal_ignoring_case(word, "u") && text_.substr(at_, 2) == "&'") ++at_;
    if (at_ < text_.size() && text_[at_] == '\'') {
      constexpr std::string_view kLiteralPrefixes = "eEbBxXnNuU";
      if (word.size() != 1 || kLiteralPrefixes.find(word[0]) == std::string_view::npos) {
        return Ending::kTorn;
      }
      return read_literal(lower(word[0]) == 'e' || (lower(word[0]) == 'n' && escapes_));
    }
    const bool plain =
        casts_ || std::any_of(kPlainWords.begin(), kPlainWords.end(),
                              [&](auto known) { return equal_ignoring_case(word, known); });
    if (secret_ && !plain) found.plain = false;
    return {};
  }

  // name => value, name := value
  bool takes_name(std::string_view name) {
    if (!places_ || depth_ != 0) return false;
    const std::size_t next = skip_blanks(text_, at_);
    const std::string_view sign = text_.substr(std::min(next, text_.size()), 2);
    if (sign != "=>" && sign != ":=") return false;
    name_argument(name);
    at_ = next + 2;
    return true;
  }

  void hide(const Literal& literal) {
    if (secret_) hide_literal(text_, literal.begin, literal.end, *secret_, found.hidden);
  }

  std::string_view text_;
  std::optional<std::span<const SecretPlace>> places_;
  std::size_t quote_;
  bool escapes_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  int number_ = 1;
  bool starts_ = true;  // nothing of the argument has been read
  bool named_ = false;  // positions have ended
  bool casts_ = false;  // behind "::"
  std::optional<SecretForm> secret_;
};

void accept(const SecretCalls& told, SecretCalls& found) {
  found.hidden.insert(found.hidden.end(), told.hidden.begin(), told.hidden.end());
  found.parameters.insert(found.parameters.end(), told.parameters.begin(), told.parameters.end());
  found.plain = found.plain && told.plain;
}

void hide_rest(std::size_t at, std::size_t end, SecretCalls& found) {
  found.plain = false;
  if (at < end) found.hidden.push_back({at, end, HiddenKind::kTorn});
}

void read(std::string_view text, std::size_t at, std::optional<std::span<const SecretPlace>> places,
          bool escapes, SecretCalls& found) {
  found.any = true;
  if (found.effort > kMostReadings * text.size() + kFreeEffort) {
    if (!found.exhausted) hide_rest(at, text.size(), found);
    found.exhausted = true;
    return;
  }
  for (std::size_t quote = 1; quote <= kDeepestQuote; quote *= 2) {
    Attempt attempt(text, places, quote, escapes);
    const Ending ending = attempt.read(at);
    found.effort += attempt.at() - at;
    if (ending != Ending::kTorn) return accept(attempt.found, found);
  }
  const std::size_t end = std::min(text.find(';', at), text.size());
  found.effort += end - at;
  hide_rest(at, end, found);
}

}  // namespace

void read_secret_arguments(std::string_view text, std::size_t at,
                           std::span<const SecretPlace> places, bool backslash_escapes,
                           SecretCalls& found) {
  read(text, at, places, backslash_escapes, found);
}

void read_secret_statement(std::string_view text, std::size_t at, bool backslash_escapes,
                           SecretCalls& found) {
  read(text, at, std::nullopt, backslash_escapes, found);
}

}  // namespace keypool::core
