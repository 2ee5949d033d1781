#include "core/model_blocks.hpp"

#include <charconv>
#include <cstddef>

namespace keypool::core {

std::string model_blocks_text(const Health& health, Micros now) {
  std::string text;
  for (const ModelBlock& block : health.model_blocks) {
    if (block.model == 0 || block.until <= now) continue;
    if (!text.empty()) text += ' ';
    text += std::to_string(block.model) + ":" + std::to_string(block.until);
  }
  return text;
}

void read_model_blocks(std::string_view text, Health& health) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (ModelBlock& block : health.model_blocks) {
    ModelBlock read = {};
    const auto model = std::from_chars(at, end, read.model);
    if (model.ec != std::errc{} || model.ptr == end || *model.ptr != ':') return;
    const auto until = std::from_chars(model.ptr + 1, end, read.until);
    if (until.ec != std::errc{}) return;
    block = read;
    if (until.ptr == end || *until.ptr != ' ') return;
    at = until.ptr + 1;
  }
}

}  // namespace keypool::core
