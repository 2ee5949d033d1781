// Posts alerts to webhooks: what keypool.webhook_deliveries says is due.
//
// A duty of the worker with sockets of its own, so advance() is called at each turn of its loop.
// The alerts' transaction writes the deliveries; here they are read, signed, sent, and written down
// in batches. What is under way when the worker dies is posted again, with the same id. Of each
// webhook a few are posted at once, and one alone while it fails, so that nobody waits for a
// receiver that is dead. A failure to read or write is noted for keypool.worker_status and tried
// again with growing pauses.
//
// The worker's main thread only, outside of any transaction; none is open while the network is
// talked to. advance() throws PgError for what is no single transaction's fault.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/secret.hpp"
#include "core/time.hpp"
#include "worker/transport.hpp"
#include "worker/webhook_table.hpp"

namespace keypool::worker {

class Webhooks {
 public:
  // There may be deliveries that nobody knows of yet, as at the start.
  void note_news() noexcept { look_at_ = 0; }

  // To be waited for, with the latch: readable when advance() has something to do.
  int descriptor() const noexcept { return transport_.descriptor(); }
  core::Micros next_due(core::Micros now) const noexcept;
  // Does everything that can be done without waiting.
  void advance(core::Micros now);

 private:
  static constexpr std::size_t kMostAtOnce = 256;
  static constexpr std::size_t kMostEach = 4;  // of one webhook that works
  static constexpr core::Micros kShortestRetry = core::kSecond;
  static constexpr core::Micros kLongestRetry = core::kMinute;
  static constexpr core::Micros kSweepPause = core::kHour;

  struct Post {
    DueDelivery delivery;
    core::Secret secret;  // until its answer, which may repeat it
  };

  void take_answers();
  void conclude(const DueDelivery& delivery, Attempt attempt);
  bool record(core::Micros now);
  bool look();
  // Signs and sends those that may go, after the transaction that opens their secrets.
  bool send(std::vector<DueDelivery> due);
  // False: others have to be over first.
  bool take_place(const DueDelivery& delivery);
  void give_place_back(const DueDelivery& delivery);
  std::vector<std::string> under_way() const;

  Transport transport_;
  std::unordered_map<std::uint64_t, Post> posts_;       // by ticket
  std::unordered_map<std::int64_t, std::size_t> busy_;  // posts under way by webhook
  std::size_t places_taken_ = 0;                        // their sum
  std::unordered_set<std::int64_t> failing_;            // webhooks whose last post failed
  std::vector<Attempted> attempted_;                    // not written down yet
  std::uint64_t last_ticket_ = 0;
  core::Micros look_at_ = 0;  // 0: at once; kNever: not before there is news
  core::Micros not_before_ = 0;
  core::Micros retry_pause_ = kShortestRetry;
  core::Micros sweep_at_ = 0;
};

}  // namespace keypool::worker
