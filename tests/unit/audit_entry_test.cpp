#include "core/audit_entry.hpp"

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

AuditEntry entry(const char* action, std::int64_t key_id = 0) {
  AuditEntry made;
  made.action = action;
  made.key_id = key_id;
  return made;
}

TEST(PendingAudit, LosesWhatARolledBackSavepointNoted) {
  PendingAudit pending;
  pending.add(1, entry("add_key", 1));
  pending.add(2, entry("add_key", 2));
  pending.roll_back(2);
  pending.add(2, entry("add_key", 3));
  pending.release(2);
  pending.add(2, entry("add_key", 4));
  pending.roll_back(2);
  const auto all = pending.take_all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].key_id, 1);
  EXPECT_EQ(all[1].key_id, 3);
  EXPECT_TRUE(pending.empty());
}

TEST(PendingAudit, LosesAReleasedSavepointWithTheOneAroundIt) {
  PendingAudit pending;
  pending.add(3, entry("add_key"));
  pending.release(3);
  pending.roll_back(2);
  EXPECT_TRUE(pending.empty());
}

TEST(PendingAudit, CountsRowsBeyondAThousandInOne) {
  PendingAudit pending;
  for (int i = 1; i <= 5000; ++i) pending.add_row(1, entry("update_key", i));
  pending.add(1, entry("revoke_key", 7));
  const auto all = pending.take_all();
  std::int64_t rows = 0;
  for (const AuditEntry& one : all) rows += one.action == "update_key" ? one.times : 0;
  EXPECT_EQ(rows, 5000);
  EXPECT_EQ(all.size(), 1002u);
  EXPECT_EQ(all[999].key_id, 1000);
  EXPECT_EQ(all[1000].key_id, 0);
  EXPECT_EQ(all.back().key_id, 7);
}

TEST(PendingAudit, KeepsRowsOfASavepointApart) {
  PendingAudit pending;
  for (int i = 1; i <= 2000; ++i) pending.add_row(1, entry("update_key", i));
  for (int i = 1; i <= 500; ++i) pending.add_row(2, entry("update_key", i));
  pending.roll_back(2);
  std::int64_t rows = 0;
  for (const AuditEntry& one : pending.take_all()) rows += one.times;
  EXPECT_EQ(rows, 2000);
}

}  // namespace
}  // namespace keypool::core
