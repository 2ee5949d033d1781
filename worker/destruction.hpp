// Removes ciphertext that has died (revoked, replaced, expired, forgotten, deleted, rolled back)
// from the data files: a duty of the worker.
//
// A pass is a VACUUM of the tables that hold ciphertext and a walk over their pages, which wipes
// what VACUUM leaves in free space. It begins when a transaction has reported that ciphertext died
// (store/destruction.hpp), and once when the worker starts, for a crash forgets the report; an idle
// database is left alone. While an old snapshot needs what has died, it looks again with growing
// pauses, and removes meanwhile what nobody needs. A few pages at a time: other duties have their
// turn in between. A failure is noted for keypool.worker_status and tried again.
#pragma once

#include <cstdint>
#include <vector>

#include "core/pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

class Destruction {
 public:
  explicit Destruction(core::Database& database);

  // Ciphertext has died in a way that reports nothing, as by a write past the triggers.
  void note_news() noexcept;

  core::Micros next_due(core::Micros now) const noexcept;
  void run(core::Micros now);

 private:
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kLongestPause = core::kMinute;
  // From the end of a pass to the next.
  static constexpr core::Micros kRest = 3 * core::kSecond;
  // After a long one it rests longer, lest it do nothing else: so many times as long as that took.
  static constexpr core::Micros kRestShare = 10;
  static constexpr core::Micros kLongestRest = 2 * core::kMinute;
  // Held up so long, it removes what it can.
  static constexpr core::Micros kPatience = 10 * core::kSecond;
  static constexpr std::uint32_t kPagesAtOnce = 512;

  enum class Stage : std::uint8_t { kIdle, kWaiting, kVacuum, kWiping };

  void begin(core::Micros now) noexcept;
  // Each is one step; false: it failed.
  bool look(core::Micros now);
  bool vacuum_tables();
  bool wipe_some(core::Micros now);
  void end_pass(core::Micros now);
  void look_later(core::Micros now) noexcept;
  void note_holdup();

  core::Database& database_;
  Stage stage_ = Stage::kIdle;
  std::uint64_t seen_;  // reports that this pass is for
  TransactionId needed_below_ =
      InvalidTransactionId;  // what it must come to (core/destruction.hpp)
  TransactionId removed_below_ = InvalidTransactionId;  // what can be had now
  core::Micros held_up_since_ = 0;
  std::vector<Oid> files_;  // what is walked over
  std::size_t file_ = 0;
  std::uint32_t page_ = 0;
  bool left_ = false;
  core::Micros effort_ = 0;
  core::Micros due_ = 0;
  core::Micros not_before_ = 0;
  core::Micros pause_ = kPause;
};

}  // namespace keypool::worker
