#include "core/request_tally.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.hpp"

namespace keypool::core {

namespace {

constexpr std::size_t kFirstPlaces = 256;
constexpr std::size_t kBlockSize = 64 * 1024;
// Odd numbers without a pattern, the fraction of the golden ratio among them.
constexpr std::uint64_t kMixers[] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb};

// Both halves of the whole product: every bit of the answer hangs on every bit given.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <typename Word>
Word load(const char* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

std::uint64_t hash_text(std::uint64_t seed, std::string_view text) noexcept {
  const char* at = text.data();
  std::size_t left = text.size();
  seed ^= left * kMixers[1];
  for (; left > 16; at += 16, left -= 16) {
    seed = mix(load<std::uint64_t>(at) ^ kMixers[0], load<std::uint64_t>(at + 8) ^ seed);
  }
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (left >= 8) {
    first = load<std::uint64_t>(at);
    last = load<std::uint64_t>(at + left - 8);  // may overlap the first
  } else if (left >= 4) {
    first = load<std::uint32_t>(at);
    last = load<std::uint32_t>(at + left - 4);
  } else if (left > 0) {
    first = static_cast<unsigned char>(at[0]);
    last = static_cast<std::uint64_t>(static_cast<unsigned char>(at[left / 2])) << 8 |
           static_cast<unsigned char>(at[left - 1]);
  }
  return mix(first ^ kMixers[0], last ^ seed);
}

std::uint64_t hash_text(std::uint64_t seed, const std::optional<std::string_view>& text) noexcept {
  return text.has_value() ? hash_text(seed, *text) : mix(seed, kMixers[2]);
}

std::uint32_t hash(const RequestDimensions& dimensions) noexcept {
  std::uint64_t all =
      mix(static_cast<std::uint64_t>(dimensions.bucket) ^ kMixers[0],
          static_cast<std::uint64_t>(dimensions.api_key_id.value_or(-1)) ^ kMixers[1]);
  all = hash_text(all, dimensions.provider);
  all = hash_text(all, dimensions.model);
  all = hash_text(all, dimensions.user_id);
  all = hash_text(all, dimensions.organization_id);
  all = hash_text(all, dimensions.key_source);
  all = mix(all, kMixers[dimensions.is_anonymous ? 1 : 2]);
  return static_cast<std::uint32_t>(all ^ (all >> 32));
}

void add_signed(std::int64_t& sum, std::int64_t amount, int sign) {
  const bool overflows = sign > 0 ? __builtin_add_overflow(sum, amount, &sum)
                                  : __builtin_sub_overflow(sum, amount, &sum);
  if (overflows) [[unlikely]] {
    throw Error(ErrorCode::kConfigurationLimit, "sum of requests is out of range",
                "Tokens, milliseconds and nano-dollars of a group are counted in 64 bits.",
                "Correct the rows of the request log whose figures are absurd.");
  }
}

}  // namespace

void RequestTally::add(const RequestDimensions& dimensions, const RequestSums& sums, int sign) {
  RequestSums& total = group_of(dimensions).sums;
  add_signed(total.requests, sums.requests, sign);
  add_signed(total.errors, sums.errors, sign);
  add_signed(total.input_tokens, sums.input_tokens, sign);
  add_signed(total.output_tokens, sums.output_tokens, sign);
  add_signed(total.cached_tokens, sums.cached_tokens, sign);
  add_signed(total.cost_nano, sums.cost_nano, sign);
  add_signed(total.unpriced, sums.unpriced, sign);
  add_signed(total.timed, sums.timed, sign);
  add_signed(total.time_ms, sums.time_ms, sign);
}

void RequestTally::clear() noexcept {
  groups_.clear();
  std::fill(places_.begin(), places_.end(), Place{});
  blocks_.clear();
  free_ = nullptr;
  free_size_ = 0;
}

RequestTally::Group& RequestTally::group_of(const RequestDimensions& dimensions) {
  if (groups_.size() * 2 >= places_.size()) grow();
  const std::uint32_t wanted = hash(dimensions);
  const std::size_t mask = places_.size() - 1;
  std::size_t at = wanted & mask;
  for (; places_[at].group != 0; at = (at + 1) & mask) {
    if (places_[at].hash != wanted) continue;
    Group& group = groups_[places_[at].group - 1];
    if (group.dimensions == dimensions) return group;
  }
  RequestDimensions kept = dimensions;
  for (auto* text :
       {&kept.provider, &kept.model, &kept.user_id, &kept.organization_id, &kept.key_source}) {
    if (text->has_value()) *text = keep(**text);
  }
  groups_.push_back({kept, {}});
  places_[at] = {wanted, static_cast<std::uint32_t>(groups_.size())};
  return groups_.back();
}

std::string_view RequestTally::keep(std::string_view text) {
  if (text.size() > free_size_) {
    const std::size_t size = std::max(kBlockSize, text.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    free_ = blocks_.back().get();
    free_size_ = size;
  }
  std::copy(text.begin(), text.end(), free_);
  const std::string_view kept = {free_, text.size()};
  free_ += text.size();
  free_size_ -= text.size();
  return kept;
}

void RequestTally::grow() {
  std::vector<Place> larger(std::max(kFirstPlaces, places_.size() * 2));
  const std::size_t mask = larger.size() - 1;
  for (const Place& place : places_) {
    if (place.group == 0) continue;
    std::size_t at = place.hash & mask;
    while (larger[at].group != 0) at = (at + 1) & mask;
    larger[at] = place;
  }
  places_.swap(larger);
}

}  // namespace keypool::core
