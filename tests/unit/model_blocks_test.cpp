#include "core/model_blocks.hpp"

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

constexpr Micros kNow = 26 * 365 * kDay;

TEST(ModelBlocks, ComeBackFromTheirText) {
  Health health = {};
  health.model_blocks[0] = {text_hash("gpt-5"), kNow + kMinute};
  health.model_blocks[1] = {text_hash("o3"), kNow + kDay};
  Health restored = {};
  read_model_blocks(model_blocks_text(health, kNow), restored);
  for (std::size_t i = 0; i < kMaxModelBlocks; ++i) {
    EXPECT_EQ(restored.model_blocks[i].model, health.model_blocks[i].model);
    EXPECT_EQ(restored.model_blocks[i].until, health.model_blocks[i].until);
  }
}

TEST(ModelBlocks, LeaveOutWhatIsOver) {
  Health health = {};
  health.model_blocks[0] = {text_hash("gpt-5"), kNow};
  EXPECT_EQ(model_blocks_text(health, kNow), "");
}

TEST(ModelBlocks, ReadAsFarAsTheTextMakesSense) {
  Health health = {};
  read_model_blocks("12:34 nonsense", health);
  EXPECT_EQ(health.model_blocks[0].model, 12u);
  EXPECT_EQ(health.model_blocks[0].until, 34);
  EXPECT_EQ(health.model_blocks[1].model, 0u);
  for (const char* text : {"", ":", "12", "12:", "x:1", "99999999999999999999999:1"}) {
    Health empty = {};
    read_model_blocks(text, empty);
    EXPECT_EQ(empty.model_blocks[0].model, 0u) << text;
  }
  Health full = {};
  read_model_blocks("1:1 2:2 3:3 4:4", full);
  EXPECT_EQ(full.model_blocks[2].model, 3u);
}

}  // namespace
}  // namespace keypool::core
