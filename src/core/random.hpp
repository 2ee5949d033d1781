// A small, fast source of chance (splitmix64) for choosing and for jitter; never for secrets.
#pragma once

#include <cmath>
#include <cstdint>

namespace keypool::core {

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // In [0, 1).
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // Exponentially distributed with mean 1.
  double exponential() noexcept { return -std::log(1 - uniform()); }

 private:
  std::uint64_t state_;
};

}  // namespace keypool::core
