// A tournament tree: who of n ranks is lowest, known at once, kept in log2(n) comparisons when one
// rank changes. It lies in two arrays of the caller (shared memory) and holds no pointers.
//
// Ties go to the lower turn, then to the lower position, so that the order is the same everywhere.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace keypool::core {

struct Rank {
  std::uint64_t score;  // the strategy's measure; lower is better
  std::uint64_t turn;   // among equals: whose turn it is
};

inline constexpr Rank kOut = {std::numeric_limits<std::uint64_t>::max(),
                              std::numeric_limits<std::uint64_t>::max()};

constexpr bool operator<(const Rank& a, const Rank& b) noexcept {
  return a.score != b.score ? a.score < b.score : a.turn < b.turn;
}
constexpr bool is_out(const Rank& rank) noexcept { return rank.score == kOut.score; }

class Tournament {
 public:
  // `nodes` has the size of `ranks`; inner nodes are 1 … n-1, the leaves n … 2n-1 are implied.
  Tournament(std::span<Rank> ranks, std::span<std::uint32_t> nodes) noexcept
      : ranks_(ranks), nodes_(nodes), size_(static_cast<std::uint32_t>(ranks.size())) {}

  std::uint32_t winner() const noexcept { return size_ == 1 ? 0 : nodes_[1]; }

  void build() noexcept {
    for (std::uint32_t node = size_; node-- > 1;) {
      nodes_[node] = better(player(at(2 * node)), player(at(2 * node + 1))).position;
    }
  }

  void set(std::uint32_t position, Rank rank) noexcept {
    ranks_[position] = rank;
    Player best = {rank, position};
    for (std::uint32_t node = position + size_; node > 1; node /= 2) {
      best = better(best, player(at(node ^ 1)));
      nodes_[node / 2] = best.position;
    }
  }

 private:
  struct Player {
    Rank rank;
    std::uint32_t position;
  };

  std::uint32_t at(std::uint32_t node) const noexcept {
    return node >= size_ ? node - size_ : nodes_[node];
  }
  Player player(std::uint32_t position) const noexcept { return {ranks_[position], position}; }

  // Without branches: who wins is as good as random, so that guessing would be wrong half the time.
  static Player better(const Player& one, const Player& other) noexcept {
    const Rank& a = one.rank;
    const Rank& b = other.rank;
    const bool less = (a.score < b.score) | ((a.score == b.score) & (a.turn < b.turn));
    const bool tie = (a.score == b.score) & (a.turn == b.turn) & (one.position < other.position);
    const std::uint64_t mask = std::uint64_t{0} - static_cast<std::uint64_t>(less | tie);
    const auto pick = [mask](std::uint64_t x, std::uint64_t y) { return y ^ ((x ^ y) & mask); };
    return {{pick(a.score, b.score), pick(a.turn, b.turn)},
            static_cast<std::uint32_t>(pick(one.position, other.position))};
  }

  std::span<Rank> ranks_;
  std::span<std::uint32_t> nodes_;
  std::uint32_t size_;
};

}  // namespace keypool::core
