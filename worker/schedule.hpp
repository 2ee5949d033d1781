// What the worker has to do and when: a list of duties, each of which knows when it is due next.
//
// A duty is a pair of functions: next_due(now), core::kNever when there is nothing to wait for, and
// run(now). Duties run one after the other in the worker's only thread, never block on the network,
// and leave no transaction open. A new duty is one add() in worker/main.cpp.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "core/time.hpp"

namespace keypool::worker {

class Schedule {
 public:
  using NextDue = std::function<core::Micros(core::Micros)>;
  using Run = std::function<void(core::Micros)>;

  void add(NextDue next_due, Run run) { duties_.push_back({std::move(next_due), std::move(run)}); }

  core::Micros next_due(core::Micros now) const {
    core::Micros earliest = core::kNever;
    for (const Duty& duty : duties_) earliest = std::min(earliest, duty.next_due(now));
    return earliest;
  }

  void run_due(core::Micros now) const {
    for (const Duty& duty : duties_) {
      if (duty.next_due(now) <= now) duty.run(now);
    }
  }

 private:
  struct Duty {
    NextDue next_due;
    Run run;
  };
  std::vector<Duty> duties_;
};

}  // namespace keypool::worker
