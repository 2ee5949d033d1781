// One epoll descriptor for every socket of the transport and for its clock: whoever waits for the
// descriptor to become readable waits for all of them, and nothing runs in between.
//
// One thread. The constructor throws std::system_error; nothing else throws, so that libcurl's
// callbacks may call it.
#pragma once

#include <cstddef>
#include <span>

namespace keypool::worker {

class Poller {
 public:
  static constexpr int kClock = -1;
  struct Event {
    int descriptor;  // or kClock: the time set has come
    bool readable;
    bool writable;
    bool failed;
  };

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  int descriptor() const noexcept { return epoll_; }

  bool watch(int descriptor, bool read, bool write) noexcept;
  void forget(int descriptor) noexcept;
  // From now; below 0: no time is set.
  void set_clock(long milliseconds) noexcept;

  // What is ready now, without waiting; returns how many events it wrote.
  std::size_t collect(std::span<Event> events) noexcept;

 private:
  int epoll_;
  int clock_;
};

}  // namespace keypool::worker
