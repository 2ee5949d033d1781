#include "worker/waiting_line.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace keypool::worker {
namespace {

constexpr std::uint64_t kOther = 1000;  // tickets from here on belong to the other lane

void fill(WaitingLine& line, const std::string& url, std::uint64_t from, int count) {
  for (int i = 0; i < count; ++i) line.add(url, from + static_cast<std::uint64_t>(i), false);
}

std::size_t of_other(const std::vector<std::uint64_t>& tickets) {
  return static_cast<std::size_t>(
      std::ranges::count_if(tickets, [](std::uint64_t ticket) { return ticket >= kOther; }));
}

// Everybody taken gets to the host at once; returns how many were taken.
std::size_t run(WaitingLine& line, const std::string& url) {
  std::size_t count = 0;
  for (auto taken = line.take(); !taken.empty(); taken = line.take()) {
    count += taken.size();
    for (std::size_t i = 0; i < taken.size(); ++i) line.arrived(url);
  }
  return count;
}

TEST(WaitingLine, SendsScoutsFirst) {
  WaitingLine line(100);
  fill(line, "a", 0, 50);
  EXPECT_EQ(line.take().size(), 4u);
  EXPECT_TRUE(line.take().empty());
}

TEST(WaitingLine, HasOnlySoManyOnTheirWayAtOnce) {
  WaitingLine line(1000);
  fill(line, "a", 0, 100);
  line.take();
  line.arrived("a");
  EXPECT_EQ(line.take().size(), 29u);  // three scouts are still on their way
  EXPECT_TRUE(line.take().empty());
  line.arrived("a");
  EXPECT_EQ(line.take().size(), 1u);
}

TEST(WaitingLine, AHangingProviderLeavesPlacesForOthers) {
  WaitingLine line(100);
  fill(line, "hangs", 0, 500);
  EXPECT_EQ(run(line, "hangs"), 50u);
  fill(line, "works", kOther, 10);
  EXPECT_EQ(run(line, "works"), 10u);
}

TEST(WaitingLine, LanesTakeTurns) {
  WaitingLine line(16);
  fill(line, "a", 0, 100);
  fill(line, "b", kOther, 100);
  const auto first = line.take();
  EXPECT_EQ(first.size(), 8u);
  EXPECT_EQ(of_other(first), 4u);
}

TEST(WaitingLine, APlaceIsFreeAgainWhenItsCheckIsOver) {
  WaitingLine line(100);
  fill(line, "a", 0, 6);
  EXPECT_EQ(line.take(), (std::vector<std::uint64_t>{0, 1, 2, 3}));
  line.finished("a", false);
  EXPECT_EQ(line.take(), (std::vector<std::uint64_t>{4}));
}

TEST(WaitingLine, WhoeverIsWaitedForGoesFirst) {
  WaitingLine line(100);
  fill(line, "a", 0, 20);
  line.add("a", 77, true);
  EXPECT_EQ(line.take().front(), 77u);
}

TEST(WaitingLine, ThoseBehindAFailedScoutLeaveTogether) {
  WaitingLine line(100);
  fill(line, "a", 0, 10);
  line.take();
  EXPECT_EQ(line.abandon("a").size(), 6u);
  for (int i = 0; i < 4; ++i) line.finished("a", false);
  EXPECT_TRUE(line.take().empty());
  EXPECT_FALSE(line.was_reached("a"));
}

}  // namespace
}  // namespace keypool::worker
