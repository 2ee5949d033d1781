#include "core/publish.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = kStart;

KeyRow org_key(std::int64_t id, std::string_view owner) {
  return key_row(id, "openai", OwnerKind::kOrganization, owner);
}

// A key that nothing would be lost of.
void make_idle(TestPool& all, std::int64_t id) { all.slot(id).dirty = false; }

TEST(Publish, CountersWindowsHealthAndReservationsOutliveAReload) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1), key_row(2)});
  for (int i = 0; i < 6; ++i) all.take({.tokens = 5, .cost_nano = 7, .lease = true});
  all.fail(1, {.kind = FailureClass::kRateLimit, .retry_at = kNow + kMinute}, kNow);
  ASSERT_TRUE(all.mirror({provider_row("openai")}, {key_row(1), key_row(2), key_row(3)}));
  Slot& slot = all.slot(1);
  EXPECT_EQ(slot.usage.picks, 3u);
  EXPECT_EQ(slot.usage.in_flight, 3u);
  EXPECT_EQ(slot.usage.reserved_nano, 21);
  EXPECT_EQ(slot.hour.count(kNow), 3u);
  EXPECT_EQ(slot.tokens_minute.count(kNow), 15u);
  EXPECT_EQ(slot.health.state, KeyState::kCooling);
  EXPECT_EQ(slot.health.cooldown_until, kNow + kMinute);
  EXPECT_TRUE(slot.dirty);
  EXPECT_EQ(all.slot(3).usage.picks, 0u);
}

TEST(Publish, ConfigurationIsThatOfTheNewRow) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1)});
  all.take();
  KeyRow row = key_row(1);
  row.slot.config.limits.requests_per_hour = 1;
  row.slot.config.weight = 9;
  all.mirror({provider_row("openai", Strategy::kSingle)}, {row});
  EXPECT_EQ(all.slot(1).config.weight, 9);
  EXPECT_EQ(all.take(), 0) << "the pick before counts against the new limit";
  EXPECT_EQ(all.provider().config.strategy, Strategy::kSingle);
}

TEST(Publish, WhatTheTablesRememberIsUsedForAKeyThatIsNotInThePool) {
  TestPool all;
  KeyRow row = key_row(1);
  row.slot.usage.picks = 41;
  row.slot.health.state = KeyState::kUnhealthy;
  all.mirror({provider_row("openai")}, {row});
  EXPECT_EQ(all.slot(1).usage.picks, 41u);
  EXPECT_EQ(all.take(), 0);
}

// A restore commits the keys before what they had learned; the pool may have loaded them between.
TEST(Publish, WhatTheTablesRememberIsUsedForAKeyThatNothingHasHappenedTo) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1), key_row(2)});
  const std::int64_t second[] = {2};
  all.take({.exclude = second});
  KeyRow used = key_row(1);
  used.slot.usage.picks = 41;
  KeyRow untouched = key_row(2);
  untouched.slot.usage.picks = 42;
  all.mirror({provider_row("openai")}, {used, untouched});
  EXPECT_EQ(all.slot(1).usage.picks, 1u);
  EXPECT_EQ(all.slot(2).usage.picks, 42u);
}

TEST(Publish, ANewSecretStartsHealthyAndKeepsItsUsage) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1)});
  all.take();
  all.fail(1, {.kind = FailureClass::kCredential}, kNow);
  make_idle(all, 1);
  all.mirror({provider_row("openai")}, {key_row(1)});
  EXPECT_EQ(all.take(), 0) << "the same secret";
  KeyRow rotated = key_row(1);
  rotated.slot.config.rotated_at = kNow;
  all.mirror({provider_row("openai")}, {rotated});
  EXPECT_EQ(all.take(), 1);
  EXPECT_EQ(all.slot(1).usage.picks, 2u);
  EXPECT_TRUE(all.slot(1).dirty) << "the tables hear of it";
}

TEST(Publish, ARemovedKeyIsGone) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1), key_row(2), org_key(3, "o1")});
  all.mirror({provider_row("openai")}, {key_row(2)});
  EXPECT_FALSE(all.has(1));
  EXPECT_FALSE(all.has(3));
  EXPECT_EQ(all.find(OwnerKind::kOrganization, "o1"), kNone);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(all.take(), 2);
  EXPECT_EQ(all.pool.live_slots(), 1u);
}

TEST(Publish, ALeaseOfARemovedKeyIsNobodysBusiness) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1)});
  all.take({.lease = true});
  all.mirror({provider_row("openai")}, {});
  EXPECT_FALSE(all.has(1));
  all.mirror({provider_row("openai")}, {key_row(1)});
  all.give_back(1, {}, true, kNow);
  EXPECT_EQ(all.slot(1).usage.in_flight, 0u);
}

TEST(Publish, AMirrorThatDoesNotFitLeavesThePoolAsItWas) {
  TestPool all({8, 8});
  std::vector<KeyRow> rows;
  for (int id = 1; id <= 6; ++id) rows.push_back(key_row(id));
  ASSERT_TRUE(all.mirror({provider_row("openai")}, rows));
  all.take();
  const std::uint64_t loaded = all.database().loaded;
  for (int id = 7; id <= 9; ++id) rows.push_back(key_row(id));
  EXPECT_FALSE(all.mirror({provider_row("gemini")}, rows));
  EXPECT_EQ(all.database().loaded, loaded);
  EXPECT_EQ(all.pool.live_slots(), 6u);
  EXPECT_EQ(all.slot(1).usage.picks, 1u);
  EXPECT_EQ(all.take(), 2);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "gemini"), kNone);
}

TEST(Publish, AnOwnersNameThatIsTooLongDoesNotFit) {
  TestPool all;
  const std::string longest(kMaxOwner, 'x');
  const std::string longer(kMaxOwner + 1, 'x');
  EXPECT_TRUE(all.mirror({provider_row("openai")}, {org_key(1, longest)}));
  EXPECT_NE(all.find(OwnerKind::kOrganization, longest), kNone);
  EXPECT_FALSE(all.mirror({provider_row("openai")}, {org_key(1, longer)}));
  EXPECT_TRUE(all.user(longest, {}));
  EXPECT_FALSE(all.user(longer, {}));
  EXPECT_TRUE(all.has(1));
}

TEST(Publish, MoreProvidersThanThereIsRoomForDoNotFit) {
  TestPool all;
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= kMaxProviders; ++i) names.push_back("p" + std::to_string(i));
  std::vector<ProviderRow> rows;
  for (const std::string& name : names) rows.push_back(provider_row(name));
  EXPECT_FALSE(all.mirror(rows, {}));
  rows.pop_back();
  EXPECT_TRUE(all.mirror(rows, {}));
  EXPECT_NE(all.pool.find_provider(kTestDatabase, names[kMaxProviders - 1]), kNone);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "unknown"), kNone);
  EXPECT_TRUE(all.mirror(rows, {})) << "and again, in the same places";
}

TEST(Publish, NamesThatWouldFillTheTableDoNotFit) {
  TestPool all;
  std::vector<ProviderRow> rows;
  for (std::size_t i = 0; i < kMaxProviders; ++i) {
    rows.push_back(provider_row("p" + std::to_string(i)));
    for (std::size_t alias = 1; alias <= kMaxAliases; ++alias) {
      rows.back().config.names[alias] = i * kMaxAliases + alias;
    }
  }
  EXPECT_FALSE(all.mirror(rows, {})) << "a look-up of an unknown name would not end";
}

TEST(Publish, AllOwnersMayChangeAtOnceInAFullPool) {
  TestPool all({64, 8});
  std::vector<std::string> names;
  for (int i = 0; i < 640; ++i) names.push_back("o" + std::to_string(i));
  for (int generation = 0; generation < 10; ++generation) {
    std::vector<KeyRow> rows;
    for (int i = 0; i < 64; ++i) {
      const int owner = generation * 64 + i;
      rows.push_back(org_key(owner + 1, names[owner]));
    }
    ASSERT_TRUE(all.mirror({provider_row("openai")}, rows)) << generation;
    ASSERT_EQ(all.pool.live_slots(), 64u);
    for (const KeyRow& row : rows) {
      ASSERT_NE(all.find(OwnerKind::kOrganization, row.owner), kNone);
    }
  }
}

TEST(Publish, ARemovedProviderTakesItsKeysAndUsersWithIt) {
  TestPool all;
  all.mirror({provider_row("openai"), provider_row("gemini")}, {key_row(1), key_row(2, "gemini")});
  all.user("u1", {user_key(3, "u1")});
  all.mirror({provider_row("gemini")}, {key_row(2, "gemini")});
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "openai"), kNone);
  EXPECT_FALSE(all.has(1));
  EXPECT_FALSE(all.has(3));
  EXPECT_TRUE(all.has(2));
  EXPECT_EQ(all.pool.live_slots(), 1u);
  all.mirror({provider_row("openai"), provider_row("gemini")}, {key_row(2, "gemini")});
  EXPECT_EQ(all.find(OwnerKind::kUser, "u1"), kNone) << "its place in the table is not mistaken";
}

TEST(Publish, AProvidersRestOutlivesAReload) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1)});
  all.fail(1, {.kind = FailureClass::kOverloaded, .retry_at = kNow + 9 * kSecond}, kNow);
  all.mirror({provider_row("gemini"), provider_row("openai")}, {key_row(1)});
  EXPECT_EQ(provider_standing(all.provider(), kNow).free_at, kNow + 9 * kSecond);
}

TEST(Publish, ADroppedDatabaseLeavesNothing) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1), org_key(2, "o1")});
  all.user("u1", {user_key(3, "u1")});
  all.mirror({provider_row("openai", Strategy::kSingle, 77)}, {key_row(4)}, kNow, 77);
  Publisher(all.pool, kNow).drop(kTestDatabase);
  EXPECT_EQ(all.pool.live_slots(), 1u);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "openai"), kNone);
  for (const std::int64_t id : {1, 2, 3}) EXPECT_FALSE(all.has(id));
  EXPECT_TRUE(all.has(4, 77));
  ASSERT_TRUE(all.mirror({provider_row("openai")}, {key_row(1)}));
  EXPECT_EQ(all.slot(1).usage.picks, 0u);
}

// --- who fails

TEST(Publish, KeysOfAProviderAreCountedAsTheyComeAndGo) {
  TestPool all;
  all.mirror({provider_row("openai"), provider_row("gemini")},
             {key_row(1), key_row(2), key_row(3, "gemini")});
  all.user("u1", {user_key(4, "u1"), user_key(5, "u1")});
  EXPECT_EQ(all.provider().health.keys, 4u);
  all.user("u1", {user_key(4, "u1")});
  all.mirror({provider_row("openai"), provider_row("gemini")}, {key_row(2)});
  EXPECT_EQ(all.provider().health.keys, 2u);
  EXPECT_EQ(all.provider("gemini").health.keys, 0u);
}

TEST(Publish, AFailingKeyThatGoesNoLongerCountsAsFailing) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1), key_row(2), key_row(3)});
  all.user("u1", {user_key(4, "u1")});
  for (const std::int64_t id : {1, 4}) all.fail(id, {.kind = FailureClass::kTransient}, kNow);
  EXPECT_EQ(all.provider().health.failing, 2u);
  all.mirror({provider_row("openai")}, {key_row(1), key_row(2), key_row(3)});
  EXPECT_EQ(all.provider().health.failing, 2u);
  all.mirror({provider_row("openai")}, {key_row(2), key_row(3)});
  EXPECT_EQ(all.provider().health.failing, 1u);
  all.user("u1", {});
  EXPECT_EQ(all.provider().health.failing, 0u);
}

// --- users

TEST(Publish, AUsersGroupIsLoadedAndReplaced) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1)});
  ASSERT_TRUE(all.user("u1", {user_key(2, "u1"), user_key(3, "u1")}));
  Group& group = all.pool.group(all.find(OwnerKind::kUser, "u1"));
  EXPECT_EQ(all.take(group, {}, kNow), 2);
  ASSERT_TRUE(all.user("u1", {user_key(2, "u1")}));
  EXPECT_FALSE(all.has(3));
  EXPECT_EQ(all.slot(2).usage.picks, 1u);
  all.mirror({provider_row("openai")}, {});
  EXPECT_TRUE(all.has(2)) << "a reload of the mirror leaves users alone";
}

TEST(Publish, AnEmptyGroupIsKnownToBeEmpty) {
  TestPool all;
  all.mirror({provider_row("openai")}, {});
  ASSERT_TRUE(all.user("u1", {}));
  const std::uint32_t group = all.find(OwnerKind::kUser, "u1");
  ASSERT_NE(group, kNone);
  EXPECT_EQ(all.pool.group(group).count, 0u);
  EXPECT_GT(all.pool.group(group).epoch, 0u);
}

TEST(Publish, TheLongestIdleUserIsEvictedFirst) {
  TestPool all({8, 8});
  all.mirror({provider_row("openai")}, {key_row(1)});
  const std::vector<std::string> users = {"a", "b", "c", "d", "e", "f", "g"};
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto id = static_cast<std::int64_t>(i) + 2;
    ASSERT_TRUE(all.user(users[i], {user_key(id, users[i])}, kNow + static_cast<Micros>(i)));
  }
  ASSERT_TRUE(all.user("h", {user_key(100, "h")}, kNow + kMinute));
  EXPECT_EQ(all.find(OwnerKind::kUser, "a"), kNone);
  EXPECT_NE(all.find(OwnerKind::kUser, "g"), kNone);
  EXPECT_TRUE(all.has(100));
  EXPECT_TRUE(all.has(1)) << "never a mirrored key";
  EXPECT_GT(all.pool.evictions(), 0u);
}

TEST(Publish, NobodyWithNewsIsEvictedAsLongAsOthersAreIdle) {
  TestPool all({5, 8});
  all.mirror({provider_row("openai")}, {});
  KeyRow limited = user_key(4, "limited");
  limited.slot.config.limits.requests_per_hour = 100;
  all.user("leased", {user_key(1, "leased")}, kNow);
  all.user("unsaved", {user_key(2, "unsaved")}, kNow);
  all.user("probing", {user_key(3, "probing")}, kNow);
  all.user("limited", {limited}, kNow);
  all.user("idle", {user_key(5, "idle")}, kNow + kMinute);
  all.slot(1).usage.in_flight = 1;
  all.slot(2).dirty = true;
  all.slot(3).health.state = KeyState::kHalfOpen;
  all.slot(4).hour.add(kNow, 1);
  ASSERT_TRUE(all.user("new", {user_key(6, "new")}, kNow + 2 * kMinute));
  EXPECT_FALSE(all.has(5)) << "used last, but idle";
  for (const std::int64_t id : {1, 2, 3, 4, 6}) EXPECT_TRUE(all.has(id)) << id;
}

TEST(Publish, UsersWithNewsGoWhenNothingElseIsLeft) {
  TestPool all({2, 8});
  all.mirror({provider_row("openai")}, {key_row(1)});
  all.user("unsaved", {user_key(2, "unsaved")}, kNow);
  all.slot(2).dirty = true;
  ASSERT_TRUE(all.user("new", {user_key(3, "new")}, kNow + kMinute));
  EXPECT_FALSE(all.has(2));
  EXPECT_TRUE(all.has(3));
}

TEST(Publish, AMirrorThatGrowsTakesTheRoomOfUsers) {
  TestPool all({8, 8});
  all.mirror({provider_row("openai")}, {});
  const std::vector<std::string> users = {"a", "b", "c", "d", "e", "f", "g", "h"};
  for (std::size_t i = 0; i < users.size(); ++i) {
    all.user(users[i], {user_key(static_cast<std::int64_t>(i) + 100, users[i])});
  }
  std::vector<KeyRow> rows;
  for (int id = 1; id <= 8; ++id) rows.push_back(key_row(id));
  ASSERT_TRUE(all.mirror({provider_row("openai")}, rows));
  EXPECT_EQ(all.pool.live_slots(), 8u);
  EXPECT_FALSE(all.user("a", {user_key(100, "a")})) << "no room: the mirror fills it";
  EXPECT_EQ(all.find(OwnerKind::kUser, "a"), kNone);
  EXPECT_TRUE(all.user("a", {})) << "that somebody has no key takes no slot";
}

TEST(Publish, UsersWithoutKeysAreEvictedToo) {
  TestPool all({64, 8});
  all.mirror({provider_row("openai")}, {key_row(1)});
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(all.user("u" + std::to_string(i), {}, kNow + i));
  }
  EXPECT_NE(all.find(OwnerKind::kUser, "u9999"), kNone);
  EXPECT_EQ(all.find(OwnerKind::kUser, "u0"), kNone);
}

}  // namespace
}  // namespace keypool::core
