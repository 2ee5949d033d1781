// What a provider says of its own limits, through the headers of its answers: that so many requests
// or tokens are left until a moment. Each pick counts down; a later word can only tighten.
//
// For every word heard it holds that no more than it said is used between then and its reset. Two
// words are kept of each kind, since the last one of an old window and the first one of a new may
// overlap; of more, the tighter half of two stands for both. Plain data for shared memory; the
// caller holds the group's lock. Nothing throws.
#pragma once

#include <cstdint>

#include "core/headers.hpp"
#include "core/time.hpp"

namespace keypool::core {

class ToldLimit {
 public:
  static constexpr std::uint32_t kUntold = 0xffffffff;  // and as much as can be said to be left

  // `left` may be used until `until`, which counts in whole seconds, rounded up.
  void tell(Micros now, std::int64_t left, Micros until) noexcept;
  void tell(Micros now, ToldLimit other) noexcept;
  // The same of words that were heard together, whenever that was.
  void merge(const ToldLimit& other) noexcept;
  void use(Micros now, std::uint64_t amount) noexcept {
    if (!empty()) take(now, amount);
  }

  bool empty() const noexcept { return last_.until == 0; }
  std::uint32_t left(Micros now) noexcept { return empty() ? kUntold : least(now); }
  // When at least `wanted` may be left, as far as the words of today say.
  Micros allows_at(Micros now, std::uint32_t wanted) noexcept;
  // When the first word that holds now ends; kNever: there is none.
  Micros next_end(Micros now) noexcept;

 private:
  friend class LimitsText;
  struct Word {
    std::uint32_t until;  // seconds since 2000; 0: no word
    std::uint32_t left;
  };
  void tell(const Word& word) noexcept;
  void take(Micros now, std::uint64_t amount) noexcept;
  std::uint32_t least(Micros now) noexcept;
  void forget_what_is_over(Micros now) noexcept;

  // The one that ends last, and one that ends sooner and has less left.
  Word last_;
  Word first_;
};

struct ToldLimits {
  ToldLimit requests;
  ToldLimit tokens;
  // The share of the provider's limit that was used, when it was told; in 255ths.
  std::uint8_t requests_used;
  std::uint8_t tokens_used;

  // A count without a reset says nothing: there is no telling when it ends.
  void tell(Micros now, const RateLimits& limits) noexcept;
  void tell(Micros now, const ToldLimits& other) noexcept;
  void merge(const ToldLimits& other) noexcept;
  bool empty() const noexcept { return requests.empty() && tokens.empty(); }
  // 0 to 1, of the tighter one.
  double share_used(Micros now) noexcept;

 private:
  void take_shares(const ToldLimits& other) noexcept;
};

}  // namespace keypool::core
