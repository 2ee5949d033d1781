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
    for (std::uint32_t node = size_; node-- > 1;) play(node);
  }

  void set(std::uint32_t position, Rank rank) noexcept {
    ranks_[position] = rank;
    for (std::uint32_t node = (position + size_) / 2; node >= 1; node /= 2) play(node);
  }

 private:
  std::uint32_t at(std::uint32_t node) const noexcept {
    return node >= size_ ? node - size_ : nodes_[node];
  }
  void play(std::uint32_t node) noexcept {
    const std::uint32_t left = at(2 * node);
    const std::uint32_t right = at(2 * node + 1);
    const Rank& a = ranks_[left];
    const Rank& b = ranks_[right];
    const bool left_wins = a < b || (!(b < a) && left < right);
    nodes_[node] = left_wins ? left : right;
  }

  std::span<Rank> ranks_;
  std::span<std::uint32_t> nodes_;
  std::uint32_t size_;
};

}  // namespace keypool::core
