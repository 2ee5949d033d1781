// A block of response headers that does not end.
//
// The HTTP library composes a header block in bounded memory and would refuse this one, so it is
// written to the socket directly while the library has the connection suspended. Used by the
// waiting room's thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace stand_in {

class HeaderFlood {
 public:
  explicit HeaderFlood(std::uint64_t bytes);

  // Writes what the socket takes now, a bounded part at a time so that others get their turn.
  // True when all is sent or the client is gone.
  bool pump(int socket);

 private:
  std::string pending_;
  std::size_t sent_ = 0;  // of pending_
  std::uint64_t left_;    // after pending_
  std::uint64_t line_ = 0;
};

}  // namespace stand_in
