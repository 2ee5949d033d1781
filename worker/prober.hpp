// Checks keys: those of the clock every keypool.health_check_interval, and whatever SQL asks for.
//
// A round is one question: which keys, how far it is, whom to tell. Its keys are read page by page,
// wait in line for a place, are opened just before they are sent, and end as an outcome, which is
// recorded and answered in batches. All due keys of the clock go out together: the places limit how
// many at once, and connections are shared, which a spread over the interval would give up.
//
// The worker's main thread only, outside of any transaction: reading and recording take a short one
// each, and none is open while the network is talked to. advance() throws PgError for what is no
// single transaction's fault.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/secret.hpp"
#include "core/time.hpp"
#include "store/check_channel.hpp"
#include "store/worker_board.hpp"
#include "worker/check_outcome.hpp"
#include "worker/transport.hpp"
#include "worker/waiting_line.hpp"
#include "worker/watched_keys.hpp"

namespace keypool::worker {

class Prober {
 public:
  Prober();
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // To be waited for, with the latch: readable when advance() has something to do.
  int descriptor() const noexcept { return transport_.descriptor(); }
  // When advance() is due even if nothing happens; kNever: not at all.
  core::Micros next_due(core::Micros now) const;
  // Does everything that can be done without waiting.
  void advance(core::Micros now);

 private:
  struct Round;
  struct Check;

  void take_questions();
  void begin_clock_round(core::Micros now);
  bool wants_page(const Round& round) const noexcept;
  void read_page(Round& round, core::Micros now);
  void enlist(Round& round, WatchedKey key, core::Micros now);
  void start_checks(core::Micros now);
  void start(const std::vector<std::uint64_t>& tickets, core::Micros now);
  void take_answers(core::Micros now);
  void conclude(std::uint64_t ticket, CheckOutcome outcome, core::Micros now);
  void record(core::Micros now);
  void answer_rounds();

  Transport transport_;
  WaitingLine line_;
  std::unordered_map<std::uint64_t, Round> rounds_;  // 0 is the clock's, which never ends
  std::unordered_map<std::uint64_t, Check> checks_;  // by ticket
  std::unordered_set<std::int64_t> on_the_clock_;    // keys in the clock's round
  std::vector<CheckOutcome> outcomes_;               // unrecorded
  core::Micros record_at_ = core::kNever;
  core::Micros last_clock_round_ = 0;  // 0: none yet
  std::uint64_t last_number_ = 0;      // of a round or a ticket
  store::WorkerFigures figures_ = {};
};

}  // namespace keypool::worker
