#include "core/pool.hpp"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pool_fixture.hpp"

namespace keypool::core {
namespace {

constexpr std::uint32_t kOther = 77;

ProviderRow with_alias(ProviderRow row, std::string_view alias) {
  row.config.names[1] = Pool::provider_name_hash(alias);
  return row;
}

TEST(Pool, FindsAProviderByNameAndAliasWithoutCase) {
  TestPool all;
  all.mirror({provider_row("openai"), with_alias(provider_row("anthropic"), "Claude")}, {});
  const std::uint32_t openai = all.pool.find_provider(kTestDatabase, "openai");
  ASSERT_NE(openai, kNone);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "OpenAI"), openai);
  const std::uint32_t anthropic = all.pool.find_provider(kTestDatabase, "ANTHROPIC");
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "claude"), anthropic);
  EXPECT_EQ(all.pool.provider(anthropic).config.name_view(), "anthropic");
}

TEST(Pool, DoesNotFindWhatIsNotThere) {
  TestPool all;
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "openai"), kNone);
  all.mirror({provider_row("openai")}, {key_row(1)});
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, "opena"), kNone);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, ""), kNone);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, std::string(64, 'x')), kNone);
  EXPECT_EQ(all.pool.find_provider(kTestDatabase, std::string(100'000, 'x')), kNone);
  EXPECT_EQ(all.pool.find_provider(kOther, "openai"), kNone);
  EXPECT_EQ(all.find(OwnerKind::kUser, "u1"), kNone);
  EXPECT_EQ(all.find(OwnerKind::kOrganization, ""), kNone);
  EXPECT_FALSE(all.has(2));
  EXPECT_FALSE(all.has(1, kOther));
}

TEST(Pool, TwoDatabasesDoNotMix) {
  TestPool all;
  ASSERT_TRUE(all.mirror({provider_row("openai")}, {key_row(1)}));
  ASSERT_TRUE(all.mirror({provider_row("openai", Strategy::kSingle, kOther)},
                         {key_row(1), key_row(2)}, kStart, kOther));
  ASSERT_TRUE(all.user("u1", {user_key(9, "u1")}));
  EXPECT_EQ(all.take(all.system_group(), {}, kStart), 1);
  EXPECT_EQ(all.slot(1).usage.picks, 1u);
  EXPECT_EQ(all.slot(1, kOther).usage.picks, 0u);
  EXPECT_FALSE(all.has(2));
  EXPECT_TRUE(all.has(2, kOther));
  EXPECT_EQ(all.find(OwnerKind::kUser, "u1", "openai", kOther), kNone);
  ASSERT_TRUE(all.mirror({provider_row("openai", Strategy::kSingle, kOther)}, {}, kStart, kOther));
  EXPECT_TRUE(all.has(1));
  EXPECT_FALSE(all.has(1, kOther));
}

TEST(Pool, OwnersOfOneNameAndDifferentKindsAreDifferent) {
  TestPool all;
  all.mirror({provider_row("openai")},
             {key_row(1, "openai", OwnerKind::kOrganization, "x"), key_row(2)});
  all.user("x", {user_key(3, "x")});
  EXPECT_EQ(all.take(all.pool.group(all.find(OwnerKind::kOrganization, "x")), {}, kStart), 1);
  EXPECT_EQ(all.take(all.pool.group(all.find(OwnerKind::kUser, "x")), {}, kStart), 3);
}

TEST(Pool, EveryOwnerIsFoundAmongMany) {
  TestPool all({2'000, 64});
  std::vector<std::string> names;
  for (int i = 0; i < 1'900; ++i) names.push_back("org" + std::to_string(i));
  std::vector<KeyRow> rows;
  for (int i = 0; i < 1'900; ++i) {
    rows.push_back(key_row(i + 1, "openai", OwnerKind::kOrganization, names[i]));
  }
  ASSERT_TRUE(all.mirror({provider_row("openai")}, rows));
  for (int i = 0; i < 1'900; ++i) {
    const std::uint32_t group = all.find(OwnerKind::kOrganization, names[i]);
    ASSERT_NE(group, kNone);
    ASSERT_EQ(all.pool.slots_of(all.pool.group(group))[0].config.key_id, i + 1);
    ASSERT_EQ(all.pool.slot(all.pool.find_slot(kTestDatabase, i + 1)).config.key_id, i + 1);
  }
}

TEST(Pool, IsTheSameForEverybodyAttached) {
  TestPool all;
  all.mirror({provider_row("openai")}, {key_row(1)});
  Pool attached = all.attached();
  EXPECT_EQ(attached.capacity(), all.pool.capacity());
  EXPECT_EQ(attached.live_slots(), 1u);
  const std::uint32_t slot = attached.find_slot(kTestDatabase, 1);
  attached.slot(slot).usage.picks = 7;
  EXPECT_EQ(all.slot(1).usage.picks, 7u);
}

TEST(Pool, ANewDatabaseHasNothingLoaded) {
  TestPool all;
  const Database& database = all.database();
  EXPECT_GT(database.epochs.mirrored.load(), database.loaded);
}

TEST(Pool, HasRoomForSoManyDatabasesAndSaysWhenThereAreMore) {
  TestPool all;
  for (std::uint32_t oid = 1; oid <= kMaxDatabases; ++oid) {
    ASSERT_NE(all.pool.database(oid), nullptr);
  }
  EXPECT_EQ(all.pool.database(kMaxDatabases + 1), nullptr);
  EXPECT_EQ(all.pool.database(7), all.pool.database(7));
  all.pool.forget_database(*all.pool.database(7));
  EXPECT_NE(all.pool.database(kMaxDatabases + 1), nullptr);
}

TEST(Pool, ManyWhoClaimADatabaseAtOnceGetOneEntry) {
  for (std::uint32_t oid = 1; oid <= 50; ++oid) {
    TestPool all;
    Database* found[4] = {};
    std::vector<std::thread> threads;
    for (Database*& entry : found) {
      threads.emplace_back([&all, &entry, oid] { entry = all.pool.database(oid); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Database* entry : found) ASSERT_EQ(entry, found[0]);
  }
}

TEST(Pool, TheSmallestWorks) {
  TestPool all({1, 1});
  EXPECT_TRUE(all.mirror({provider_row("openai")}, {key_row(1)}));
  EXPECT_EQ(all.take(), 1);
}

TEST(Pool, TakesAKilobyteOrSoForEachKey) {
  const std::size_t small = Pool::bytes_for({10'000, 64});
  const std::size_t large = Pool::bytes_for({20'000, 64});
  EXPECT_LE((large - small) / 10'000, 2 * sizeof(Slot)) << "with its owner's entry and indexes";
}

}  // namespace
}  // namespace keypool::core
