#include "store/reencryption_board.hpp"

#include "pg/lwlock.hpp"
#include "store/worker_board_memory.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

std::string_view name(Reencryption state) noexcept {
  static constexpr std::string_view kNames[] = {"unknown", "running",  "waiting",
                                                "blocked", "settling", "done"};
  return kNames[static_cast<std::size_t>(state)];
}

ReencryptionReports reencryption_reports(Oid database) noexcept {
  const pg::SharedGuard guard(board_lock());
  const BoardEntry* entry = find_entry(database);
  return entry != nullptr ? entry->reencryption : ReencryptionReports{};
}

void note_reencryption(const ReencryptionReport& report) noexcept {
  const pg::ExclusiveGuard guard(board_lock());
  if (BoardEntry* entry = find_entry(MyDatabaseId)) entry->reencryption.data_key = report;
}

void note_root_key(std::string_view newest, bool failed) noexcept {
  RootKeyReport report = {};
  newest.copy(report.newest.data(), report.newest.size() - 1);
  report.failed = failed;
  const pg::ExclusiveGuard guard(board_lock());
  if (BoardEntry* entry = find_entry(MyDatabaseId)) entry->reencryption.root_key = report;
}

void note_root_keys_changed() noexcept {
  board().root_keys_changes.fetch_add(1);
  for (BoardEntry& entry : board().entries) {
    if (Latch* latch = entry.latch.load()) SetLatch(latch);
  }
}

std::uint64_t root_keys_changes() noexcept { return board().root_keys_changes.load(); }

}  // namespace keypool::store
