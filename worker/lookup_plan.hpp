// Which rows of the request log wait for the key they came with, and when each is looked up next.
//
// A row's first lookup comes one backoff after it was first seen, each further one after a pause
// twice as long as the one before, so that a key stored a moment late is still found. The plan
// lives in memory alone: a new worker begins anew with whatever still waits in the table.
//
// Plain C++; may throw std::bad_alloc and has done nothing then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/time.hpp"

namespace keypool::worker {

struct LookupRules {
  int attempts;
  core::Micros backoff;

  bool operator==(const LookupRules&) const = default;
};

struct WaitingRow {
  std::int64_t id;
  std::string fingerprint;
};

// A lookup whose time has come.
struct DueLookup {
  std::int64_t id;
  std::size_t fingerprint;  // index into DueLookups::fingerprints
  std::int64_t attempt;     // from 1
  bool last;
};

struct DueLookups {
  std::vector<std::string> fingerprints;  // each once
  std::vector<DueLookup> rows;
};

class LookupPlan {
 public:
  // The rows that wait now. New ones begin; who is not among them waits no more.
  void take(const std::vector<WaitingRow>& waiting, const LookupRules& rules, core::Micros now);

  DueLookups due(const std::vector<WaitingRow>& waiting, const LookupRules& rules,
                 core::Micros now) const;
  // They were looked up: a row that goes on waiting has its next time. So has one after its last
  // attempt, whose row somebody else had locked.
  void attempted(const DueLookups& lookups, const LookupRules& rules, core::Micros now) noexcept;

  // core::kNever when nobody waits.
  core::Micros next() const noexcept { return next_; }

 private:
  struct Wait {
    std::int64_t attempts;
    core::Micros due;
  };
  void find_next() noexcept;

  std::unordered_map<std::int64_t, Wait> waits_;  // by id
  core::Micros next_ = core::kNever;
};

}  // namespace keypool::worker
