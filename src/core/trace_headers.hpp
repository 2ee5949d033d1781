// A request's headers in which its caller may have sent keys of his own: X-API-Key-OpenAI and the
// like, with X-User-ID and X-Organization-ID.
//
// Read from a JSON object of texts, as gateways hand headers on. Everything in it comes from
// whoever sent the request: no value is ever quoted in a message, each is wiped with this object,
// and a header that comes twice, in whatever case, has no value one could rely on. Throws
// kInvalidArgument, kTooLarge and std::bad_alloc.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace keypool::core {

class TraceHeaders {
 public:
  static constexpr std::size_t kMostBytes = 256 * 1024;
  static constexpr std::size_t kMostHeaders = 1000;
  static constexpr std::size_t kMostValue = 8 * 1024;

  // Headers that are no texts or too long are kept as such: only who asks for one has to mind.
  explicit TraceHeaders(std::string_view json);

  struct Value {
    std::string_view text;   // without white space around it; lives as long as the headers
    std::string_view fault;  // not empty: why there is no text, to follow the header's name
  };
  // By name, without case. Empty when the header is not there or says nothing.
  std::optional<Value> find(std::string_view name) const noexcept;

  // Who sent the request, when it says so. Throws kInvalidArgument when that is no name.
  std::optional<std::string_view> user() const { return named("X-User-ID"); }
  std::optional<std::string_view> organization() const { return named("X-Organization-ID"); }

 private:
  struct Header {
    std::string name;  // in lower case
    Secret value;
    std::string_view fault;
  };
  std::optional<std::string_view> named(std::string_view name) const;

  std::vector<Header> headers_;
};

}  // namespace keypool::core
