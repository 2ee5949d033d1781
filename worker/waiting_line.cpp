#include "worker/waiting_line.hpp"

#include <utility>

namespace keypool::worker {

void WaitingLine::add(const std::string& url, std::uint64_t ticket, bool urgent) {
  Lane& lane = lanes_[url];
  if (urgent) {
    lane.waiting.push_front(ticket);
  } else {
    lane.waiting.push_back(ticket);
  }
}

bool WaitingLine::may_start(const Lane& lane) const noexcept {
  if (lane.waiting.empty() || active_ >= places_) return false;
  const std::size_t most_on_the_way = lane.reached ? kMostOnTheWay : kScouts;
  return lane.on_the_way < most_on_the_way && lane.active < places_ - active_;
}

std::vector<std::uint64_t> WaitingLine::take() {
  std::vector<std::uint64_t> tickets;
  bool progress = true;
  while (progress) {
    progress = false;
    for (auto& [url, lane] : lanes_) {
      if (!may_start(lane)) continue;
      tickets.push_back(lane.waiting.front());
      lane.waiting.pop_front();
      ++lane.active;
      ++lane.on_the_way;
      ++active_;
      progress = true;
    }
  }
  return tickets;
}

void WaitingLine::arrived(const std::string& url) {
  const auto found = lanes_.find(url);
  if (found == lanes_.end()) return;
  --found->second.on_the_way;
  found->second.reached = true;
}

bool WaitingLine::was_reached(const std::string& url) const {
  const auto found = lanes_.find(url);
  return found != lanes_.end() && found->second.reached;
}

void WaitingLine::finished(const std::string& url, bool arrived) {
  const auto found = lanes_.find(url);
  if (found == lanes_.end()) return;
  if (!arrived) --found->second.on_the_way;
  --found->second.active;
  --active_;
  if (found->second.active == 0 && found->second.waiting.empty()) lanes_.erase(found);
}

std::vector<std::uint64_t> WaitingLine::abandon(const std::string& url) {
  const auto found = lanes_.find(url);
  if (found == lanes_.end()) return {};
  const auto waiting = std::exchange(found->second.waiting, {});
  return {waiting.begin(), waiting.end()};
}

}  // namespace keypool::worker
