// The pool against a plain map, through thousands of publications of every kind.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/publish.hpp"
#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr std::uint32_t kDatabases[] = {kTestDatabase, 77};
constexpr std::uint32_t kSlots = 96;

struct Known {
  std::uint64_t picks;
  std::string owner;
  double weight;
};
using Keys = std::map<std::int64_t, Known>;

// What a database's mirror should be, and what is known of its users' keys if they are still here.
struct Model {
  Keys mirrored;
  std::map<std::string, Keys> users;
};

class PublishModelTest : public ::testing::Test {
 protected:
  std::uint64_t below(std::uint64_t bound) { return dice.next() % bound; }

  // New rows for an owner: some keys stay, some are new.
  Keys keys_for(const Keys& before, const std::string& owner, std::uint64_t most) {
    Keys keys;
    for (const auto& [id, known] : before) {
      if (known.owner == owner && below(4) != 0) keys[id] = {known.picks, owner, weight()};
    }
    while (keys.size() > most) keys.erase(keys.begin());
    for (std::uint64_t more = below(most - keys.size() + 1); more-- > 0;) {
      keys[++last_id] = {0, owner, weight()};
    }
    return keys;
  }
  double weight() { return 1 + static_cast<double>(below(100)); }

  static std::vector<KeyRow> rows_of(const Keys& keys, OwnerKind kind) {
    std::vector<KeyRow> rows;
    for (const auto& [id, known] : keys) {
      const bool system = known.owner.empty();
      rows.push_back(key_row(id, "openai", system ? OwnerKind::kSystem : kind, known.owner));
      rows.back().slot.config.weight = known.weight;
    }
    std::sort(rows.begin(), rows.end(), [](const KeyRow& a, const KeyRow& b) {
      return std::pair(a.owner, a.slot.config.key_id) < std::pair(b.owner, b.slot.config.key_id);
    });
    return rows;
  }

  void mirror(std::uint32_t oid) {
    Model& model = models[oid];
    Keys keys;
    const std::uint64_t owners = below(12);
    for (std::uint64_t i = 0; i <= owners; ++i) {
      const std::uint64_t number = below(20);
      const std::string owner = number == 0 ? "" : "org" + std::to_string(number);
      const bool present = std::any_of(keys.begin(), keys.end(), [&owner](const auto& key) {
        return key.second.owner == owner;
      });
      if (present) continue;
      keys.merge(keys_for(model.mirrored, owner, 1 + below(below(10) == 0 ? 60 : 8)));
    }
    const std::size_t others =
        models[oid == kDatabases[0] ? kDatabases[1] : kDatabases[0]].mirrored.size();
    const bool fits = keys.size() + others <= kSlots;
    ASSERT_EQ(all.mirror({provider_row("gemini", Strategy::kRoundRobin, oid),
                          provider_row("openai", Strategy::kRoundRobin, oid)},
                         rows_of(keys, OwnerKind::kOrganization), now, oid),
              fits);
    if (fits) model.mirrored = keys;
  }

  void load_user(std::uint32_t oid) {
    if (all.pool.find_provider(oid, "openai") == kNone) return;
    const std::string user = "user" + std::to_string(below(60));
    Keys& before = models[oid].users[user];
    if (all.find(OwnerKind::kUser, user, "openai", oid) == kNone) {
      for (auto& [id, known] : before) known.picks = 0;  // evicted: begins anew
    }
    const Keys keys = keys_for(before, user, 3);
    if (all.user(user, rows_of(keys, OwnerKind::kUser), now, oid)) before = keys;
  }

  void pick(std::uint32_t oid) {
    const std::uint32_t limit = all.pool.group_limit();
    if (limit == 0) return;
    Group& group = all.pool.group(static_cast<std::uint32_t>(below(limit)));
    if (!group.used || group.database != oid) return;
    const std::int64_t id = all.take(group, {}, now);
    if (id == 0) return;
    Model& model = models[oid];
    Keys& keys = group.kind == OwnerKind::kUser ? model.users[std::string(group.owner_view())]
                                                : model.mirrored;
    ++keys.at(id).picks;
    if (below(3) != 0) all.slot(id, oid).dirty = false;  // the worker was here
  }

  void drop(std::uint32_t oid) {
    Publisher(all.pool, now).drop(oid);
    models[oid] = {};
  }

  void expect_keys(const Keys& keys, const Group& group, std::uint32_t oid) {
    const auto slots = all.pool.slots_of(group);
    std::int64_t last = 0;
    for (std::uint32_t i = 0; i < group.count; ++i) {
      const Slot& slot = slots[i];
      const auto known = keys.find(slot.config.key_id);
      ASSERT_NE(known, keys.end()) << slot.config.key_id;
      ASSERT_EQ(known->second.owner, group.owner_view());
      ASSERT_EQ(known->second.picks, slot.usage.picks);
      ASSERT_EQ(known->second.weight, slot.config.weight);
      ASSERT_EQ(all.pool.find_slot(oid, slot.config.key_id), group.first + i);
      ASSERT_LT(last, slot.config.key_id) << "in order";
      const bool ranked = group.wake_at != kUnranked;
      if (ranked) {
        ASSERT_EQ(all.pool.ranks_of(group)[i].turn, slot.turn);
      }
      last = slot.config.key_id;
    }
  }

  void expect_all() {
    std::uint32_t live = 0;
    std::map<std::uint32_t, std::size_t> mirrored;
    std::map<std::uint32_t, std::uint32_t> counted;  // by provider
    std::vector<bool> taken(kSlots);
    for (std::uint32_t i = 0; i < all.pool.group_limit(); ++i) {
      const Group& group = all.pool.group(i);
      if (!group.used) continue;
      const bool user = group.kind == OwnerKind::kUser;
      Model& model = models[group.database];
      const std::string owner(group.owner_view());
      ASSERT_EQ(all.pool.find_group({group.database, group.provider, group.kind, owner}), i);
      for (std::uint32_t slot = group.first; slot < group.first + group.count; ++slot) {
        ASSERT_FALSE(taken[slot]) << "two owners share a slot";
        taken[slot] = true;
        ASSERT_EQ(all.pool.slot(slot).group, i);
      }
      expect_keys(user ? model.users[owner] : model.mirrored, group, group.database);
      if (user) {
        ASSERT_EQ(group.count, model.users[owner].size());
      } else {
        ASSERT_GT(group.count, 0u);
        mirrored[group.database] += group.count;
      }
      live += group.count;
      counted[group.provider] += group.count;
    }
    ASSERT_EQ(all.pool.live_slots(), live);
    for (const std::uint32_t oid : kDatabases) {
      ASSERT_EQ(mirrored[oid], models[oid].mirrored.size()) << "a mirrored key is missing";
    }
    for (const auto& [provider, keys] : counted) {
      ASSERT_EQ(all.pool.provider(provider).health.keys, keys);
    }
  }

  TestPool all{{kSlots, 8}};
  std::map<std::uint32_t, Model> models;
  Random dice{2024};
  std::int64_t last_id = 0;
  Micros now = kStart;
};

TEST_F(PublishModelTest, ThePoolIsWhatAPlainMapWouldBe) {
  for (int i = 0; i < 20'000 && !HasFatalFailure(); ++i) {
    SCOPED_TRACE(i);
    now += static_cast<Micros>(below(kSecond));
    const std::uint32_t oid = kDatabases[below(2)];
    const std::uint64_t what = below(100);
    if (what < 10) {
      mirror(oid);
    } else if (what < 50) {
      load_user(oid);
    } else if (what < 99) {
      pick(oid);
    } else if (below(5) == 0) {
      drop(oid);
    }
    expect_all();
  }
  EXPECT_GT(all.pool.evictions(), 100u) << "or the test was too tame";
}

}  // namespace
}  // namespace keypool::core
