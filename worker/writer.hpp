// Writes what shared memory knows of this database's keys down to keypool.key_state: at most once a
// second while something changes, and once more at the worker's end.
//
// Copies the changed slots under the pool's shared lock and their groups' locks, and writes when
// both are free again. A slot counts as clean once copied and as changed again when the write
// fails, which is tried again with growing pauses.
#pragma once

#include <cstdint>
#include <vector>

#include "core/limits_text.hpp"
#include "core/pool.hpp"
#include "worker/lease_sweeper.hpp"

namespace keypool::worker {

class Writer {
 public:
  Writer(core::Database& database, LeaseSweeper& leases) : database_(database), leases_(leases) {}

  core::Micros next_due(core::Micros now) const noexcept;
  void run(core::Micros now);
  // What is left at the worker's end.
  void finish();

 private:
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  static constexpr core::Micros kLastPause = 20 * core::kMillisecond;
  static constexpr int kLastRounds = 10;

  struct KeyRecord {
    std::int64_t key_id;
    core::Health health;
    core::Usage usage;
    core::LimitCounts limits;
  };

  std::vector<KeyRecord> copy_changed();
  void mark_changed(const std::vector<KeyRecord>& records);

  core::Database& database_;
  LeaseSweeper& leases_;
  core::Micros not_before_ = 0;
  core::Micros pause_ = kPause;
};

}  // namespace keypool::worker
