#include "core/audit_slot.hpp"

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

using Noted = AuditSlot::Noted;

AuditCaller caller(std::uint32_t role, std::uint32_t database = 1) {
  return {.database = database, .session_role = role, .acting_role = role};
}

AuditDeed deed(std::string_view action, std::int32_t sqlstate = 0) {
  AuditDeed made = {};
  made.action.assign(action);
  made.sqlstate = sqlstate;
  return made;
}

class AuditSlotTest : public testing::Test {
 protected:
  Noted note(const AuditCaller& who, Micros at, std::int64_t key = 7, bool single = false,
             std::string_view action = kPickAction) {
    AuditSlot::Guess none;
    if (!(who == last_)) guess_ = {};
    last_ = who;
    const bool is_pick = action == kPickAction && !single;
    return slot_.note(who, deed(action), key, at, single, is_pick ? guess_ : none);
  }
  std::size_t take(std::uint32_t database, Micros now, bool all = false) {
    left_ = false;
    return slot_.take(database, now, all, taken_, left_);
  }

  AuditSlot slot_ = {};
  AuditCaller last_ = {};
  AuditSlot::Guess guess_;
  AuditRecord taken_[AuditSlot::kRecords];
  bool left_ = false;
};

TEST_F(AuditSlotTest, CountsTheSameCallersPicksOfASecondTogether) {
  EXPECT_EQ(note(caller(1), 10), Noted::kOpened);
  EXPECT_EQ(note(caller(1), 20, 8), Noted::kCounted);
  EXPECT_EQ(note(caller(1), 30, 7), Noted::kCounted);
  EXPECT_EQ(take(1, 40), 0u);
  EXPECT_TRUE(left_);
  ASSERT_EQ(take(1, kSecond), 1u);
  EXPECT_EQ(taken_[0].times, 3u);
  EXPECT_EQ(taken_[0].key_ids[0], 7);
  EXPECT_EQ(taken_[0].key_times[0], 2u);
  EXPECT_EQ(taken_[0].key_ids[1], 8);
  EXPECT_EQ(taken_[0].key_ids[2], 0);
  EXPECT_EQ(taken_[0].first, 10);
  EXPECT_EQ(taken_[0].last, 30);
}

TEST_F(AuditSlotTest, KeepsCallersSecondsDeedsAndDatabasesApart) {
  note(caller(1), 10);
  note(caller(2), 10);
  note(caller(1), kSecond);
  note(caller(1), kSecond, 7, false, "rotate_key");
  note(caller(1, 2), kSecond);
  EXPECT_EQ(take(1, 5 * kSecond), 4u);
  EXPECT_EQ(take(2, 5 * kSecond), 1u);
}

TEST_F(AuditSlotTest, ADeedOfAnotherKindNeverCountsAsAPick) {
  note(caller(1), 10);
  take(1, kSecond);
  slot_.settle(1, true);
  AuditSlot::Guess other;
  slot_.note(caller(1), deed("rotate_key", 5), 9, kSecond, false, other);
  note(caller(1), kSecond);
  ASSERT_EQ(take(1, 5 * kSecond), 2u);
  EXPECT_EQ(taken_[0].times, 1u);
  EXPECT_EQ(taken_[1].times, 1u);
}

TEST_F(AuditSlotTest, LosesNothingWhenNobodyTakes) {
  for (int second = 0; second < 100; ++second) note(caller(1), second * kSecond);
  std::uint64_t times = 0;
  for (std::size_t i = 0, n = take(1, 1000 * kSecond); i < n; ++i) times += taken_[i].times;
  EXPECT_EQ(times, 100u);
}

TEST_F(AuditSlotTest, CountsCallersItHasNoRoomFor) {
  for (std::uint32_t role = 1; role <= 40; ++role) note(caller(role), role);
  std::uint64_t times = 0;
  for (std::size_t i = 0, n = take(1, kSecond); i < n; ++i) times += taken_[i].times;
  EXPECT_EQ(slot_.take_lost(2).picks, 0u);
  EXPECT_EQ(times + slot_.take_lost(1).picks, 40u);
  slot_.settle(1, true);
  EXPECT_TRUE(slot_.is_empty());
}

TEST_F(AuditSlotTest, SingleDeedsAreRefusedWhenThereIsNoRoom) {
  for (std::size_t i = 0; i < AuditSlot::kRecords; ++i) {
    EXPECT_EQ(note(caller(1), 10, 7, true), Noted::kOpened);
  }
  EXPECT_EQ(note(caller(1), 10, 7, true), Noted::kNoRoom);
  EXPECT_EQ(slot_.take_lost(1).picks, 0u);
  EXPECT_EQ(take(1, 11), AuditSlot::kRecords);
  EXPECT_EQ(note(caller(1), 12, 7, true), Noted::kNoRoom);
  slot_.settle(1, true);
  EXPECT_EQ(note(caller(1), 12, 7, true), Noted::kOpened);
}

TEST_F(AuditSlotTest, WhatWasNotWrittenIsThereAgain) {
  note(caller(1), 10);
  EXPECT_EQ(take(1, kSecond), 1u);
  slot_.settle(1, false);
  ASSERT_EQ(take(1, kSecond), 1u);
  EXPECT_EQ(taken_[0].times, 1u);
}

TEST_F(AuditSlotTest, ForgetsADatabaseAndNoOther) {
  note(caller(1, 1), 10);
  note(caller(1, 2), 10);
  slot_.forget(1);
  EXPECT_EQ(take(1, kSecond, true), 0u);
  EXPECT_EQ(take(2, kSecond, true), 1u);
}

TEST_F(AuditSlotTest, TellsEveryPickWhileItIsTaken) {
  constexpr std::uint64_t kPicks = 300'000;
  std::atomic<bool> done = false;
  std::uint64_t found = 0;
  std::thread worker([&] {
    AuditRecord records[AuditSlot::kRecords];
    for (bool last = false;;) {
      last = done;
      bool left = false;
      for (std::size_t i = 0, n = slot_.take(1, 0, true, records, left); i < n; ++i) {
        found += records[i].times;
      }
      found += slot_.take_lost(1).picks;
      slot_.settle(1, true);
      if (last) return;
    }
  });
  for (std::uint64_t i = 0; i < kPicks; ++i) {
    note(caller(1 + i / 1000 % 25), static_cast<Micros>(i * 10), static_cast<std::int64_t>(i % 10));
  }
  done = true;
  worker.join();
  EXPECT_EQ(found, kPicks);
}

}  // namespace
}  // namespace keypool::core
