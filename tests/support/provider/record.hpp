// What the stand-in has seen: requests by key, path and status, and what clients did wrong.
//
// Shared by all threads behind one mutex. Keys appear as hints only, never whole. Memory is
// bounded: beyond kMostRows different rows, requests are counted in total but not listed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

namespace stand_in {

// One line of the record. `status` is 0 for a request that is never answered.
struct Sighting {
  std::string_view provider;
  std::string_view key_hint;
  std::string_view method;
  std::string_view path;
  int status = 0;
};

class Record {
 public:
  static constexpr std::size_t kMostRows = 50'000;

  void count(const Sighting& sighting);
  void count_violation(std::string_view what, const Sighting& sighting);
  void count_redirect_target(const std::vector<std::string_view>& credential_headers);

  nlohmann::json report() const;
  void clear();

  // A request between its arrival and the end of its answer.
  class Presence {
   public:
    explicit Presence(Record& record);
    ~Presence();
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;

   private:
    Record& record_;
  };

 private:
  using Rows = std::unordered_map<std::string, std::uint64_t>;

  mutable std::mutex mutex_;
  Rows requests_;
  Rows violations_;
  std::uint64_t total_ = 0;
  std::uint64_t unlisted_ = 0;
  std::uint64_t redirect_target_hits_ = 0;
  std::set<std::string> redirect_target_headers_;

  std::atomic<std::int64_t> present_{0};
  std::atomic<std::int64_t> most_present_{0};
};

}  // namespace stand_in
