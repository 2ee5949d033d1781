// An argument's text that holds secrets: overwritten when it has been read. Only for memory of this
// call alone, as the text of a jsonb argument is, never for an argument as it came.
#pragma once

#include <span>
#include <string_view>

#include "core/secret.hpp"

namespace keypool::api {

class WipedText {
 public:
  explicit WipedText(std::string_view text) : text_(text) {}
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;
  ~WipedText() {
    core::wipe(std::as_writable_bytes(std::span(const_cast<char*>(text_.data()), text_.size())));
  }
  std::string_view view() const noexcept { return text_; }

 private:
  std::string_view text_;
};

}  // namespace keypool::api
