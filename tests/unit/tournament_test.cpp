#include "core/tournament.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace keypool::core {
namespace {

std::uint32_t lowest(const std::vector<Rank>& ranks) {
  std::uint32_t best = 0;
  for (std::uint32_t i = 1; i < ranks.size(); ++i) {
    if (ranks[i] < ranks[best]) best = i;
  }
  return best;
}

// Few different values, so that ties are frequent.
Rank random_rank(Random& random) {
  if (random.next() % 5 == 0) return kOut;
  return {random.next() % 4, random.next() % 4};
}

TEST(Tournament, WinnerIsThatOfAPlainScanForEverySize) {
  Random random(1);
  for (std::uint32_t size = 1; size <= 130; ++size) {
    std::vector<Rank> ranks(size);
    std::vector<std::uint32_t> nodes(size, 0xdeadbeef);
    for (Rank& rank : ranks) rank = random_rank(random);
    Tournament tournament(ranks, nodes);
    tournament.build();
    ASSERT_EQ(tournament.winner(), lowest(ranks)) << size;
    for (int i = 0; i < 300; ++i) {
      tournament.set(static_cast<std::uint32_t>(random.next() % size), random_rank(random));
      ASSERT_EQ(tournament.winner(), lowest(ranks)) << size << " keys, update " << i;
    }
  }
}

TEST(Tournament, TiesGoToTheLowerTurnThenToTheLowerPosition) {
  std::vector<Rank> ranks = {{1, 9}, {1, 5}, {1, 5}, {2, 0}, {1, 7}};
  std::vector<std::uint32_t> nodes(ranks.size());
  Tournament tournament(ranks, nodes);
  tournament.build();
  EXPECT_EQ(tournament.winner(), 1u);
  tournament.set(1, {1, 6});
  EXPECT_EQ(tournament.winner(), 2u);
  tournament.set(3, {0, 100});
  EXPECT_EQ(tournament.winner(), 3u);
}

TEST(Tournament, WhoIsOutLosesToEverybodyElse) {
  std::vector<Rank> ranks(7, kOut);
  std::vector<std::uint32_t> nodes(ranks.size());
  Tournament tournament(ranks, nodes);
  tournament.build();
  EXPECT_TRUE(is_out(ranks[tournament.winner()]));
  tournament.set(6, {kOut.score - 1, kOut.turn});
  EXPECT_EQ(tournament.winner(), 6u);
}

}  // namespace
}  // namespace keypool::core
