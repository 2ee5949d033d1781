#include "waiting_room.hpp"

#include <array>
#include <cerrno>
#include <system_error>

#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "header_flood.hpp"

namespace stand_in {

namespace {

// EPOLLRDHUP: the client closed its side. EPOLLHUP and EPOLLERR come unasked.
constexpr std::uint32_t kDeparture = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

int socket_of(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

int checked(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), what);
  return descriptor;
}

}  // namespace

WaitingRoom::WaitingRoom()
    : epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      doorbell_(checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = doorbell_;
  checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, doorbell_, &event), "epoll_ctl");
  thread_ = std::thread([this] { run(); });
}

WaitingRoom::~WaitingRoom() {
  close();
  ::close(doorbell_);
  ::close(epoll_);
}

bool WaitingRoom::wait(MHD_Connection* connection, Clock::time_point until) {
  return admit(connection, until, nullptr);
}

bool WaitingRoom::wait_while_flooding(MHD_Connection* connection, std::uint64_t bytes) {
  return admit(connection, kForever, std::make_unique<HeaderFlood>(bytes));
}

bool WaitingRoom::admit(MHD_Connection* connection, Clock::time_point until,
                        std::unique_ptr<HeaderFlood> flood) {
  const int socket = socket_of(connection);
  epoll_event event{};
  event.events = kDeparture | (flood ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  event.data.fd = socket;

  // Held across the suspension, so that nobody wakes the connection before it sleeps.
  const std::lock_guard lock(mutex_);
  if (closed_ || epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) return false;
  guests_.insert_or_assign(socket, Guest{connection, until, std::move(flood)});
  MHD_suspend_connection(connection);
  if (until != kForever) {
    const auto place = times_.emplace(until, socket).first;
    if (place == times_.begin()) nudge();
  }
  return true;
}

void WaitingRoom::wake(int socket) {
  const auto guest = guests_.find(socket);
  if (guest == guests_.end()) return;
  // The socket leaves epoll before the HTTP library may close it and its number be used again.
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  times_.erase({guest->second.until, socket});
  MHD_resume_connection(guest->second.connection);
  guests_.erase(guest);
}

void WaitingRoom::wake_late_guests() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  while (!times_.empty() && times_.begin()->first <= now) wake(times_.begin()->second);
}

void WaitingRoom::attend(int socket, std::uint32_t events) {
  const std::lock_guard lock(mutex_);
  const auto guest = guests_.find(socket);
  if (guest == guests_.end()) return;
  HeaderFlood* flood = guest->second.flood.get();
  const bool left = (events & kDeparture) != 0;
  if (left || (flood != nullptr && flood->pump(socket))) wake(socket);
}

int WaitingRoom::milliseconds_to_next() const {
  if (times_.empty()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(times_.begin()->first - Clock::now());
  constexpr std::int64_t kLongest = 60'000;
  if (left.count() <= 0) return 0;
  return static_cast<int>(left.count() < kLongest ? left.count() : kLongest);
}

void WaitingRoom::nudge() const { eventfd_write(doorbell_, 1); }

void WaitingRoom::run() {
  std::array<epoll_event, 256> events;
  for (;;) {
    int timeout = -1;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      timeout = milliseconds_to_next();
    }
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == doorbell_) {
        eventfd_t rings = 0;
        eventfd_read(doorbell_, &rings);
      } else {
        attend(event.data.fd, event.events);
      }
    }
    wake_late_guests();
  }
}

void WaitingRoom::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    while (!guests_.empty()) wake(guests_.begin()->first);
  }
  nudge();
  if (thread_.joinable()) thread_.join();
}

}  // namespace stand_in
