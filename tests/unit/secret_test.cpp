#include "core/secret.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

TEST(Secret, HoldsWhatItWasMadeFrom) {
  const Secret secret(std::string_view("sk-abc\0def", 10));
  EXPECT_EQ(secret.size(), 10u);
  EXPECT_EQ(secret.view(), std::string_view("sk-abc\0def", 10));
}

TEST(Secret, OfASizeStartsAsZerosAndCanBeFilled) {
  Secret secret(3);
  EXPECT_EQ(secret.view(), std::string_view("\0\0\0", 3));
  std::ranges::fill(secret.bytes(), std::byte{'x'});
  EXPECT_EQ(secret.view(), "xxx");
}

TEST(Secret, MayBeEmpty) {
  EXPECT_EQ(Secret().view(), "");
  EXPECT_EQ(Secret(std::string_view()).view(), "");
}

TEST(Secret, MovesItsBytesWithoutCopyingThem) {
  Secret from(std::string_view("abc"));
  const std::byte* place = from.data();
  const Secret to(std::move(from));
  EXPECT_EQ(to.data(), place);
  EXPECT_EQ(to.view(), "abc");
  EXPECT_EQ(from.size(), 0u);  // NOLINT(bugprone-use-after-move): empty by contract
}

TEST(Secret, AssignmentReplacesAndSurvivesItself) {
  Secret secret(std::string_view("old value"));
  secret = Secret(std::string_view("new"));
  EXPECT_EQ(secret.view(), "new");
  Secret& same = secret;
  secret = std::move(same);
  EXPECT_EQ(secret.view(), "new");
}

// Freed memory may not be looked at, so the part that wipes is tested on memory that lives on.
TEST(Secret, WipeLeavesOnlyZeros) {
  std::array<std::byte, 40> bytes;
  bytes.fill(std::byte{0xab});
  wipe(std::span(bytes).subspan(4));
  EXPECT_EQ(std::ranges::count(bytes, std::byte{0xab}), 4);
  EXPECT_EQ(std::ranges::count(bytes, std::byte{0}), 36);
  wipe({});
}

}  // namespace
}  // namespace keypool::core
