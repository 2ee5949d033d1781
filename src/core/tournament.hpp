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
      nodes_[node] = better(at(2 * node), at(2 * node + 1));
    }
  }

  void set(std::uint32_t position, Rank rank) noexcept {
    ranks_[position] = rank;
    std::uint32_t best = position;
    for (std::uint32_t node = position + size_; node > 1; node /= 2) {
      best = better(best, at(node ^ 1));
      nodes_[node / 2] = best;
    }
  }

 private:
  std::uint32_t at(std::uint32_t node) const noexcept {
    return node >= size_ ? node - size_ : nodes_[node];
  }
  // Without branches: who wins is as good as random, so that guessing would be wrong half the time.
  std::uint32_t better(std::uint32_t one, std::uint32_t other) const noexcept {
    const Rank& a = ranks_[one];
    const Rank& b = ranks_[other];
    const bool tie = (a.score == b.score) & (a.turn == b.turn);
    const bool lower = (a.score < b.score) | ((a.score == b.score) & (a.turn < b.turn));
    const std::uint32_t mask = 0u - static_cast<std::uint32_t>(lower | (tie & (one < other)));
    return other ^ ((one ^ other) & mask);
  }

  std::span<Rank> ranks_;
  std::span<std::uint32_t> nodes_;
  std::uint32_t size_;
};

}  // namespace keypool::core
