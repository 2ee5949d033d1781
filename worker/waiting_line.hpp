// Who goes next: checks wait in lanes, one for each URL that is asked, and the lanes take turns, so
// that a provider that hangs delays nobody but itself.
//
// A lane may use up to half of the places that the others leave, which always leaves some. Until
// its host was reached a lane sends only a few scouts ahead: what keeps them from getting there
// keeps everybody from it, and need be found out only once. One thread; throws only bad_alloc.
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

  struct Lane {
    std::deque<std::uint64_t> waiting;
    std::size_t active = 0;
    bool reached = false;
  };

  // `urgent`: somebody waits for it, so it goes before those of the clock.
  void add(const std::string& url, std::uint64_t ticket, bool urgent);

  // Takes all that may start now; each must end with finished().
  std::vector<std::uint64_t> take();

  void reached(const std::string& url);
  bool was_reached(const std::string& url) const;
  void finished(const std::string& url);

  // Takes all that wait for this URL.
  std::vector<std::uint64_t> abandon(const std::string& url);

 private:
  static constexpr std::size_t kScouts = 4;

  bool may_start(const Lane& lane) const noexcept;

  std::size_t places_;
  std::size_t active_ = 0;
  std::unordered_map<std::string, Lane> lanes_;  // with somebody in them
};

}  // namespace keypool::worker
