#include "core/limits_text.hpp"

#include <string>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace keypool::core {
namespace {

constexpr Micros kNow = 9'000 * kDay;

Slot limited() {
  Slot slot = {};
  slot.config.limits = {
      .requests_per_hour = 100, .requests_per_minute = 10, .tokens_per_minute = 1'000};
  return slot;
}

std::string written(const Slot& slot, Micros now) {
  return LimitsText::write(limit_counts(slot), now);
}

Slot restored(const std::string& text) {
  Slot slot = limited();
  LimitsText::read(text, slot);
  return slot;
}

TEST(LimitsText, WindowsComeBackBucketByBucket) {
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    Slot slot = limited();
    Micros now = kNow;
    for (std::uint64_t picks = random.next() % 60; picks-- > 0;) {
      now += static_cast<Micros>(random.uniform() * 200e6);
      slot.hour.add(now, 1 + random.next() % 3);
      slot.minute.add(now, 1);
      slot.tokens_minute.add(now, static_cast<std::uint32_t>(random.next()));
    }
    Slot back = restored(written(slot, now));
    for (Micros later = now; later < now + 2 * kHour; later += 97 * kSecond / 10) {
      ASSERT_EQ(back.hour.count(later), slot.hour.count(later));
      ASSERT_EQ(back.minute.count(later), slot.minute.count(later));
      ASSERT_EQ(back.tokens_minute.count(later), slot.tokens_minute.count(later));
    }
  }
}

TEST(LimitsText, WhatIsToldComesBackWhileItHolds) {
  Slot slot = {};
  slot.told.requests.tell(kNow, 3, kNow + 10 * kSecond);
  slot.told.requests.tell(kNow, 60, kNow + kMinute);
  slot.told.tokens.tell(kNow, 5'000, kNow + kMinute);
  Slot back = restored(written(slot, kNow));
  EXPECT_EQ(back.told.requests.left(kNow), 3u);
  EXPECT_EQ(back.told.requests.left(kNow + 10 * kSecond), 60u);
  EXPECT_EQ(back.told.tokens.left(kNow), 5'000u);
  EXPECT_EQ(written(slot, kNow + kMinute), "");
}

TEST(LimitsText, OnlyWhatALimitAsksForIsWritten) {
  Slot slot = {};
  slot.hour.add(kNow, 5);
  slot.minute.add(kNow, 5);
  slot.tokens_minute.add(kNow, 5);
  EXPECT_EQ(written(slot, kNow), "");
  slot.config.limits.requests_per_minute = 7;
  EXPECT_EQ(written(slot, kNow).substr(0, 7), "minute=");
  EXPECT_EQ(written(slot, kNow).find("hour="), std::string::npos);
  EXPECT_EQ(written(slot, kNow + kHour), "") << "all of it has aged";
}

TEST(LimitsText, WhatCannotBeReadIsLeftOut) {
  for (const char* text :
       {"", "hour", "hour=", "hour=x:1", "hour=1:", "=", " ", "told_requests=7", "told_requests=@",
        "told_tokens=1@2@3", "later=1:2", "hour=99999999999999999999:1"}) {
    Slot slot = restored(text);
    EXPECT_EQ(slot.hour.count(kNow), 0u) << text;
    EXPECT_EQ(slot.told.requests.left(kNow), ToldLimit::kUntold) << text;
  }
  Slot partly = restored("hour=" + std::to_string(kNow / HourWindow::kWidth) + ":4,x,9 minute");
  EXPECT_EQ(partly.hour.count(kNow), 4u);
}

TEST(LimitsText, AnyTextIsReadWithinBounds) {
  Random random(2);
  const std::string letters = "hour=minute=tokens=told_requests=0123456789999999999:,,@@- ";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::uint64_t size = random.next() % 80; size-- > 0;) {
      text += letters[random.next() % letters.size()];
    }
    Slot slot = restored("hour=" + text + " told_tokens=" + text);
    slot.hour.count(kNow);
    slot.hour.falls_to(kNow, 0);
    slot.told.tokens.left(kNow);
  }
  for (const char* newest : {"2147483647", "-2147483648"}) {
    Slot slot = restored("hour=" + std::string(newest) + ":4294967295,4294967295");
    slot.hour.add(kNow, 1);
    EXPECT_GE(slot.hour.falls_to(kNow, 0), kNow);
  }
}

}  // namespace
}  // namespace keypool::core
