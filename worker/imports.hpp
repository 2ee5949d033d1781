// The imports that the worker is busy with: those that backends have ordered, and those that a
// worker before this one has left unfinished. They take turns, one step each.
//
// An import stops when the backend that ordered it goes or is cancelled. After a crash of the whole
// server nobody is left to wait, and what was running is finished all the same.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/time.hpp"
#include "worker/import_run.hpp"

namespace keypool::worker {

class Imports {
 public:
  core::Micros next_due(core::Micros now) const noexcept;
  void run(core::Micros now);

 private:
  void resume(core::Micros now);
  void advance(std::size_t index);

  std::vector<std::unique_ptr<ImportRun>> runs_;
  std::size_t turn_ = 0;
  bool resumed_ = false;
  core::Micros resume_at_ = 0;
};

}  // namespace keypool::worker
