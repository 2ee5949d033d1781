// A request's headers of arbitrary text: refused, or read to values without white space around
// them, each with a text or a fault; a name of who sent them holds no control character.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/ascii.hpp"
#include "core/error.hpp"
#include "core/trace_headers.hpp"

namespace {

using namespace keypool::core;

void expect(bool fulfilled) {
  if (!fulfilled) std::abort();
}

void read_name(const TraceHeaders& headers) {
  try {
    const auto user = headers.user();
    expect(!user || (!user->empty() && user->find('\0') == std::string_view::npos));
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kInvalidArgument);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const TraceHeaders headers(text);
    read_name(headers);
    for (const char* name : {"X-API-Key-OpenAI", "a", ""}) {
      const auto value = headers.find(name);
      if (!value) continue;
      expect(value->text.empty() != value->fault.empty());
      expect(trimmed(value->text) == value->text);
      expect(value->text.size() <= TraceHeaders::kMostValue);
    }
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kInvalidArgument || error.code() == ErrorCode::kTooLarge);
  }
  return 0;
}
