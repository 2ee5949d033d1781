#include "header_flood.hpp"

#include <cerrno>

#include <sys/socket.h>

namespace stand_in {

namespace {

constexpr std::size_t kPart = 64 * 1024;
constexpr std::size_t kValueLength = 900;

}  // namespace

HeaderFlood::HeaderFlood(std::uint64_t bytes)
    : pending_("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), left_(bytes) {}

bool HeaderFlood::pump(int socket) {
  if (sent_ == pending_.size()) {
    if (left_ == 0) return true;
    pending_.clear();
    sent_ = 0;
    while (pending_.size() < kPart && pending_.size() < left_) {
      pending_ += "x-flood-" + std::to_string(line_++) + ": ";
      pending_.append(kValueLength, 'f').append("\r\n");
    }
    left_ -= pending_.size() < left_ ? pending_.size() : left_;
  }
  const ssize_t written =
      send(socket, pending_.data() + sent_, pending_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written >= 0) {
    sent_ += static_cast<std::size_t>(written);
    return false;
  }
  return errno != EAGAIN && errno != EINTR;
}

}  // namespace stand_in
