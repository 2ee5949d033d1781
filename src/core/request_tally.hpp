// Adds up requests by bucket of time and by everything a usage figure can be asked for: what
// folding the log and reading its tail have in common.
//
// Texts are copied into memory of the tally's own, once per group; a text that is missing is
// another group than one that is empty. Groups come out in the order in which they were first met.
// Plain C++, one thread. Throws std::bad_alloc, and Error when a sum leaves 64 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/time.hpp"

namespace keypool::core {

// What every time zone's hours and days are made of.
inline constexpr Micros kRequestBucket = 15 * kMinute;

// The start of the bucket of that length which holds the instant; also before 2000.
constexpr Micros bucket_start(Micros at, Micros length) noexcept {
  const Micros into = at % length;
  return at - (into < 0 ? into + length : into);
}
constexpr Micros request_bucket(Micros at) noexcept { return bucket_start(at, kRequestBucket); }

struct RequestDimensions {
  Micros bucket;  // its start; how long it is, is the caller's affair
  std::optional<std::string_view> provider;
  std::optional<std::string_view> model;
  std::optional<std::string_view> user_id;
  std::optional<std::string_view> organization_id;
  std::optional<std::string_view> key_source;
  std::optional<std::int64_t> api_key_id;
  bool is_anonymous;

  bool operator==(const RequestDimensions&) const = default;
};

struct RequestSums {
  std::int64_t requests = 0;
  std::int64_t errors = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t cost_nano = 0;
  std::int64_t unpriced = 0;  // requests whose cost is not known
  std::int64_t timed = 0;     // requests whose duration is known
  std::int64_t time_ms = 0;

  bool operator==(const RequestSums&) const = default;
};

class RequestTally {
 public:
  struct Group {
    RequestDimensions dimensions;
    RequestSums sums;
  };

  // sign: 1 for a request that is there, -1 for one that is there no more.
  void add(const RequestDimensions& dimensions, const RequestSums& sums, int sign);

  std::size_t size() const noexcept { return groups_.size(); }
  // Some twenty megabytes: whoever has more to add puts away first what there is.
  bool is_full() const noexcept { return size() >= 64 * 1024; }
  // Calls each(group) for all groups in which something is left.
  template <typename Each>
  void for_each(Each each) const {
    for (const Group& group : groups_) {
      if (group.sums != RequestSums{}) each(group);
    }
  }
  // Forgets everything; views of groups are void then.
  void clear() noexcept;

 private:
  struct Place {
    std::uint32_t hash;
    std::uint32_t group;  // one more than its index, 0: free
  };

  Group& group_of(const RequestDimensions& dimensions);
  std::string_view keep(std::string_view text);
  void grow();

  std::vector<Group> groups_;
  std::vector<Place> places_;  // a power of two of them, at most half taken
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;  // in the last block
  std::size_t free_size_ = 0;
};

}  // namespace keypool::core
