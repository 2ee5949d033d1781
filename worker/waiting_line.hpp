// Who goes next: checks wait in lanes, one for each URL that is asked, and the lanes take turns, so
// that a provider that hangs delays nobody but itself.
//
// A lane may use up to half of the places that the others leave, which always leaves some. It sends
// a few scouts ahead: what keeps them from the host keeps everybody, and need be found out only
// once. Later, too, only so many are on their way to it at once, so that a thousand checks do not
// open a thousand connections to a host that takes them all on ten. One thread; throws only
// bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace keypool::worker {

class WaitingLine {
 public:
  explicit WaitingLine(std::size_t places) : places_(places) {}

  // `urgent`: somebody waits for it, so it goes before those of the clock.
  void add(const std::string& url, std::uint64_t ticket, bool urgent);

  // Takes all that may start now; each must end with finished().
  std::vector<std::uint64_t> take();

  // One that was taken got to the host.
  void arrived(const std::string& url);
  bool was_reached(const std::string& url) const;
  // One that was taken is over; `arrived`: it had got there.
  void finished(const std::string& url, bool arrived);

  // Takes all that wait for this URL.
  std::vector<std::uint64_t> abandon(const std::string& url);

 private:
  static constexpr std::size_t kScouts = 4;
  static constexpr std::size_t kMostOnTheWay = 32;

  struct Lane {
    std::deque<std::uint64_t> waiting;
    std::size_t active = 0;
    std::size_t on_the_way = 0;  // of those active
    bool reached = false;        // by anybody
  };

  bool may_start(const Lane& lane) const noexcept;

  std::size_t places_;
  std::size_t active_ = 0;
  std::unordered_map<std::string, Lane> lanes_;  // with somebody in them
};

}  // namespace keypool::worker
