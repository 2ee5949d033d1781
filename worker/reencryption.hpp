// Seals every key and webhook anew under the newest data key, and lets go of the older ones.
//
// A duty of the worker: one short transaction each time, so that the others come in between. What
// is left to do is what carries an older number, so that a new worker, or a server after a crash,
// goes on by itself. Passes go over the table until one has left nothing. An older data key is
// *retired* once no open transaction can have sealed anything under it; when after that one
// snapshot shows no row under it, sessions are told to look at the tables anew, and a moment later
// it is deleted. Rows that somebody is changing are met in the next pass; such that cannot be
// opened are counted, reported, and keep their data key.
//
// A failure is noted for keypool.worker_status and tried again with growing pauses.
#pragma once

#include <cstdint>

#include "core/pool.hpp"
#include "core/time.hpp"
#include "store/reencryption_board.hpp"
#include "store/resealing.hpp"
#include "store/sealing_writers.hpp"

namespace keypool::worker {

class Reencryption {
 public:
  explicit Reencryption(core::Database& database) : database_(database) {}

  core::Micros next_due(core::Micros now) const noexcept;
  // True: old ciphertext is left behind in the pages of the tables.
  bool run(core::Micros now);

 private:
  // So long a batch takes: the other duties wait for no more.
  static constexpr core::Micros kBatch = 40 * core::kMillisecond;
  static constexpr std::uint32_t kBlocksAtOnce = 64;
  static constexpr core::Micros kPause = core::kSecond;
  static constexpr core::Micros kLongestPause = 10 * core::kMinute;
  // A pass over rows that are held up is at most such a part of the time.
  static constexpr int kPausePerEffort = 20;
  // Whoever took an envelope out of the pool before it was sealed anew has opened it by then; and
  // if not, reads the row (store/keyring.cpp).
  static constexpr core::Micros kLinger = 5 * core::kSecond;

  // The data keys, as the table has them.
  struct Plan {
    std::uint32_t newest = 0;  // 0: there is none
    int older = 0;
    int not_retired = 0;  // of the older ones
  };

  static Plan read_plan();
  void begin(const Plan& plan, core::Micros now);
  void begin_pass(core::Micros now);
  bool retire(Plan& plan);
  bool batch(core::Micros now);
  bool end_pass(core::Micros now);
  bool settle(core::Micros now);
  bool remove(core::Micros now);
  void wait(store::Reencryption state, core::Micros until);
  void fail(core::Micros now);
  void report();

  core::Database& database_;
  bool looked_ = false;
  std::uint64_t epoch_ = 0;
  core::Micros next_ = core::kNever;
  core::Micros not_before_ = 0;
  core::Micros retry_pause_ = kPause;

  std::uint32_t newest_ = 0;
  store::SealingWriters writers_;
  bool listed_ = false;   // the writers
  bool settled_ = false;  // all older data keys were retired when this pass began

  store::Resealed pass_;  // so far
  std::uint32_t block_ = 0;
  core::Micros effort_ = 0;
  bool first_pass_ = true;
  bool in_pass_ = false;
  std::int64_t known_left_ = 0;  // after the pass before
  std::int64_t known_rows_ = 0;
  core::Micros settled_at_ = 0;  // 0: some rows are still under an older data key

  store::ReencryptionReport report_ = {};
};

}  // namespace keypool::worker
