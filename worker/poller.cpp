#include "worker/poller.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace keypool::worker {

namespace {

constexpr std::size_t kBatch = 64;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Poller::Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) fail("could not create an epoll descriptor");
  clock_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (clock_ < 0 || !watch(clock_, true, false)) {
    close(epoll_);
    if (clock_ >= 0) close(clock_);
    fail("could not create a timer descriptor");
  }
}

Poller::~Poller() {
  close(clock_);
  close(epoll_);
}

bool Poller::watch(int descriptor, bool read, bool write) noexcept {
  epoll_event event = {};
  event.events = (read ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u);
  event.data.fd = descriptor;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0) return true;
  return errno == ENOENT && epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Poller::forget(int descriptor) noexcept {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

void Poller::set_clock(long milliseconds) noexcept {
  itimerspec spec = {};
  if (milliseconds >= 0) {
    spec.it_value.tv_sec = milliseconds / 1000;
    spec.it_value.tv_nsec = milliseconds % 1000 * 1'000'000;
    // A time of zero would stop the clock.
    if (milliseconds == 0) spec.it_value.tv_nsec = 1;
  }
  timerfd_settime(clock_, 0, &spec, nullptr);
}

std::size_t Poller::collect(std::span<Event> events) noexcept {
  std::array<epoll_event, kBatch> ready;
  const int room = static_cast<int>(std::min(events.size(), ready.size()));
  const int count = epoll_wait(epoll_, ready.data(), room, 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    const bool is_clock = event.data.fd == clock_;
    if (is_clock) {
      std::uint64_t expirations;
      [[maybe_unused]] const auto taken = read(clock_, &expirations, sizeof expirations);
    }
    events[static_cast<std::size_t>(i)] = {.descriptor = is_clock ? kClock : event.data.fd,
                                           .readable = (event.events & EPOLLIN) != 0,
                                           .writable = (event.events & EPOLLOUT) != 0,
                                           .failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0};
  }
  return static_cast<std::size_t>(std::max(count, 0));
}

}  // namespace keypool::worker
