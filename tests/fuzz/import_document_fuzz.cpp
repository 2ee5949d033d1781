// Reading an import document gives a document or one kind of error, and only usable keys without a
// fault.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "core/import_document.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keypool::core;
  try {
    const ImportDocument document =
        parse_import_document({reinterpret_cast<const char*>(data), size});
    if (document.ignored.size() > kMostIgnored) std::abort();
    for (const ImportedProvider& provider : document.providers) {
      for (const ImportedKey& key : provider.keys) {
        if (key.fault.empty() && key.secret.size() == 0) std::abort();
      }
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) std::abort();
  }
  return 0;
}
