// Where connections wait: to be answered later, or never.
//
// A waiting connection costs an entry here and no thread, so a thousand may wait at once. One
// thread wakes them: when their time has come, when the client has left, or when a HeaderFlood has
// sent all it had. A woken connection runs its request's callback again. The callbacks of any
// thread may call wait(); after close() it refuses, so that the server can stop at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

struct MHD_Connection;

namespace stand_in {

class HeaderFlood;

class WaitingRoom {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kForever = Clock::time_point::max();

  WaitingRoom();
  ~WaitingRoom();
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  // Suspends the connection until `until` or until its client leaves. To be called inside a
  // callback of that connection. False when the room is closed: nothing was suspended.
  bool wait(MHD_Connection* connection, Clock::time_point until);

  // The same, and meanwhile sends `bytes` of header lines, past the HTTP library.
  bool wait_while_flooding(MHD_Connection* connection, std::uint64_t bytes);

  // Wakes everybody and lets nobody in. Idempotent.
  void close();

 private:
  struct Guest {
    MHD_Connection* connection;
    Clock::time_point until;
    std::unique_ptr<HeaderFlood> flood;
  };

  bool admit(MHD_Connection* connection, Clock::time_point until,
             std::unique_ptr<HeaderFlood> flood);
  void wake(int socket);  // with mutex_ held
  void wake_late_guests();
  void attend(int socket, std::uint32_t events);
  int milliseconds_to_next() const;
  void nudge() const;
  void run();

  int epoll_ = -1;
  int doorbell_ = -1;  // an eventfd: an earlier deadline, or the end, has come up
  std::mutex mutex_;
  bool closed_ = false;
  std::unordered_map<int, Guest> guests_;              // by socket
  std::set<std::pair<Clock::time_point, int>> times_;  // only those that wait for a time
  std::thread thread_;
};

}  // namespace stand_in
