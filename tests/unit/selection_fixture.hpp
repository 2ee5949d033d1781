// One provider with some system keys, and picks of them, for the tests of what is picked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "pool_fixture.hpp"

namespace keypool::core {

using Ids = std::vector<std::int64_t>;

class SelectionTest : public ::testing::Test {
 protected:
  // Keys 1, 2, 3 … of these weights.
  void with_weights(const std::vector<double>& weights, Strategy strategy = Strategy::kRoundRobin) {
    std::vector<KeyRow> rows;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      rows.push_back(key_row(static_cast<std::int64_t>(i) + 1));
      rows.back().slot.config.weight = weights[i];
    }
    publish(rows, strategy);
  }
  void publish(const std::vector<KeyRow>& rows, Strategy strategy = Strategy::kRoundRobin,
               Micros rotation_interval = 0) {
    ProviderRow provider = provider_row("openai", strategy);
    provider.config.rotation_interval = rotation_interval;
    ASSERT_TRUE(all.mirror({provider}, rows));
  }
  std::vector<std::int64_t> take_many(int count, const Wish& wish = {}, Micros now = kStart) {
    std::vector<std::int64_t> taken;
    for (int i = 0; i < count; ++i) taken.push_back(all.take(wish, now));
    return taken;
  }
  static std::map<std::int64_t, int> shares(const std::vector<std::int64_t>& taken) {
    std::map<std::int64_t, int> counts;
    for (const std::int64_t id : taken) ++counts[id];
    return counts;
  }
  static int longest_run(const std::vector<std::int64_t>& taken) {
    int longest = 0;
    int run = 0;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      run = i != 0 && taken[i] == taken[i - 1] ? run + 1 : 1;
      longest = std::max(longest, run);
    }
    return longest;
  }

  TestPool all{{512, 64}};
};

}  // namespace keypool::core
