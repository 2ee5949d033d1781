// hide_literal(): how much of a literal that is handed over as a secret has to go.
#include <algorithm>
#include <array>

#include "core/ascii.hpp"
#include "core/key_shape.hpp"
#include "core/secret_call.hpp"

namespace keypool::core {
namespace {

constexpr std::array<std::string_view, 6> kSecretMembers = {"api_key", "apikey", "key",
                                                            "secret",  "token",  "authorization"};

bool is_secret_member(std::string_view name) noexcept {
  return std::any_of(kSecretMembers.begin(), kSecretMembers.end(),
                     [&](std::string_view member) { return equal_ignoring_case(name, member); });
}

// Hides [begin, end) but for the prefix that says which key it was.
void hide_value(std::string_view text, std::size_t begin, std::size_t end,
                std::vector<Hidden>& hidden) {
  if (text.substr(begin, end - begin).find_first_not_of('\'') == std::string_view::npos) return;
  begin += shown_length(text.substr(begin, end - begin));
  if (begin < end) hidden.push_back({begin, end, HiddenKind::kLiteral});
}

// Reads JSON that has no backslash in it; what is in doubt makes it fail.
class Document {
 public:
  Document(std::string_view text, std::size_t begin, std::size_t end, SecretForm form) noexcept
      : text_(text.substr(0, end)), at_(begin), form_(form) {}

  bool hide(std::vector<Hidden>& hidden) {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        if (!hide_string(hidden)) return false;
      } else if (is_letter(c)) {
        if (!read_word()) return false;
      } else if (awaits_secret_ && !is_space(c)) {
        return false;
      } else if (!is_space(c) && !is_digit(c) && kPunctuation.find(c) == std::string_view::npos) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr std::string_view kPunctuation = "{}[]:,.+-";

  bool hide_string(std::vector<Hidden>& hidden) {
    const std::size_t begin = at_ + 1;
    at_ = text_.find('"', begin);
    if (at_ == std::string_view::npos) return false;
    std::size_t next = at_ + 1;
    while (next < text_.size() && is_space(text_[next])) ++next;
    if (next < text_.size() && text_[next] == ':') {
      if (awaits_secret_) return false;
      awaits_secret_ =
          form_ == SecretForm::kRequests && is_secret_member(text_.substr(begin, at_ - begin));
      at_ = next;
      return true;
    }
    if (form_ == SecretForm::kDocument || awaits_secret_) hide_value(text_, begin, at_, hidden);
    awaits_secret_ = false;
    return true;
  }

  bool read_word() noexcept {
    const std::size_t begin = at_;
    while (at_ + 1 < text_.size() && is_letter(text_[at_ + 1])) ++at_;
    const std::string_view word = text_.substr(begin, at_ + 1 - begin);
    awaits_secret_ = awaits_secret_ && word != "null";
    return !awaits_secret_ &&
           (word == "null" || word == "true" || word == "false" || word == "e" || word == "E");
  }

  std::string_view text_;
  std::size_t at_;
  SecretForm form_;
  bool awaits_secret_ = false;
};

bool hide_document(std::string_view text, std::size_t begin, std::size_t end, SecretForm form,
                   std::vector<Hidden>& hidden) {
  const std::string_view content = trimmed(text.substr(begin, end - begin));
  if (!content.starts_with('{') && !content.starts_with('[')) return false;
  if (!content.ends_with('}') && !content.ends_with(']')) return false;
  // With escapes in it what is a string depends on the literal's own quoting.
  if (content.find('\\') != std::string_view::npos) return false;
  return Document(text, begin, end, form).hide(hidden);
}

}  // namespace

void hide_literal(std::string_view text, std::size_t begin, std::size_t end, SecretForm form,
                  std::vector<Hidden>& hidden) {
  const std::size_t before = hidden.size();
  if (form != SecretForm::kText && hide_document(text, begin, end, form, hidden)) return;
  hidden.resize(before);
  if (form == SecretForm::kText) return hide_value(text, begin, end, hidden);
  if (begin < end) hidden.push_back({begin, end, HiddenKind::kLiteral});
}

}  // namespace keypool::core
