#include "core/caller_meters.hpp"

#include <algorithm>
#include <mutex>

namespace keypool::core {

struct CallerMeters::Header {
  std::uint32_t capacity;
  std::uint32_t used;  // meters 0 … used-1 belong to somebody
  std::uint32_t hand;  // where the search for an idle one goes on
  // Found by a search that was in vain: until then the next would be, too.
  Micros none_idle_before;
};

struct CallerMeters::Meter {
  SpinLock lock;  // of limit and counts
  std::uint32_t database;
  std::uint32_t installation;
  std::uint32_t next;  // in its bucket
  CallerScope scope;
  std::uint8_t name_size;
  std::array<char, kMaxCallerName> name;
  CallerLimit limit;  // at its last pick: says which spans matter
  CallerCounts counts;

  std::string_view name_view() const noexcept { return {name.data(), name_size}; }
  bool is_of(const Caller& caller) const noexcept {
    return database == caller.database && installation == caller.installation &&
           scope == caller.scope && name_view() == caller.name;
  }
  // When nothing is lost with it any more.
  Micros idle_at(Micros now) noexcept {
    const Micros minute = limit.per_minute != 0 ? counts.minute.falls_to(now, 0) : now;
    const Micros hour = limit.per_hour != 0 ? counts.hour.falls_to(now, 0) : now;
    return std::max(minute, hour);
  }
};

namespace {

// Longer than any count lasts: a bound beyond it is from a clock that was wrong.
constexpr Micros kLongestCount = 2 * kHour;

constexpr std::size_t rounded_up(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

template <typename Span>
void tighten(CallerStop& stop, Span& window, Micros length, std::uint32_t limit,
             Micros now) noexcept {
  if (limit == 0) return;
  const std::uint64_t used = window.count(now);
  if (used < limit) return;
  const Micros free_at = window.falls_to(now, limit - 1);
  if (stop.span == 0 || free_at > stop.free_at) stop = {length, limit, used, free_at};
}

}  // namespace

std::string_view name(CallerScope scope) noexcept {
  return scope == CallerScope::kRole ? "role" : "user";
}

CallerStop CallerCounts::stop(CallerLimit limit, Micros now) noexcept {
  CallerStop found = {};
  tighten(found, minute, kMinute, limit.per_minute, now);
  tighten(found, hour, kHour, limit.per_hour, now);
  return found;
}

std::size_t CallerMeters::bytes_for(std::uint32_t capacity) noexcept {
  return rounded_up(sizeof(Header)) + rounded_up(capacity * sizeof(std::uint32_t)) +
         capacity * sizeof(Meter);
}

CallerMeters::CallerMeters(void* memory) noexcept : header_(static_cast<Header*>(memory)) {
  auto* bytes = static_cast<std::byte*>(memory) + rounded_up(sizeof(Header));
  buckets_ = reinterpret_cast<std::uint32_t*>(bytes);
  bytes += rounded_up(header_->capacity * sizeof(std::uint32_t));
  meters_ = reinterpret_cast<Meter*>(bytes);
}

CallerMeters CallerMeters::create(void* memory, std::uint32_t capacity) noexcept {
  static_cast<Header*>(memory)->capacity = capacity;
  CallerMeters made(memory);
  std::fill_n(made.buckets_, capacity, kNone);
  return made;
}

CallerMeters CallerMeters::attach(void* memory) noexcept { return CallerMeters(memory); }

std::uint32_t CallerMeters::capacity() const noexcept { return header_->capacity; }

std::uint32_t& CallerMeters::bucket_of(const Caller& caller) const noexcept {
  const std::uint64_t hash = text_hash(caller.name) * 31 + caller.database * 7 +
                             caller.installation * 2 + static_cast<std::uint64_t>(caller.scope);
  return buckets_[hash % header_->capacity];
}

std::uint32_t CallerMeters::find(const Caller& caller) const noexcept {
  std::uint32_t index = bucket_of(caller);
  while (index != kNone && !meters_[index].is_of(caller)) index = meters_[index].next;
  return index;
}

// The meters of one pick, in the order of the callers asked for; null for one that has none. Their
// locks are held as long as it lives.
class CallerMeters::Held {
 public:
  Held(const CallerMeters& all, std::span<const LimitedCaller> callers) noexcept
      : callers_(callers) {
    for (std::size_t i = 0; i < callers.size(); ++i) {
      const std::uint32_t index = all.find(callers[i].caller);
      if (index != kNone) of_[i] = &all.meters_[index];
    }
    // In the order of their places, so that no two picks wait for each other.
    in_order_ = of_;
    std::sort(in_order_.begin(), in_order_.end());
    for (Meter* meter : in_order_) {
      if (meter != nullptr) meter->lock.lock();
    }
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    for (Meter* meter : in_order_) {
      if (meter != nullptr) meter->lock.unlock();
    }
  }

  CallerVerdict judge(Micros now) const noexcept {
    CallerVerdict verdict = {Admission::kAdmitted, 0, {}};
    for (std::size_t i = 0; i < callers_.size(); ++i) {
      if (of_[i] == nullptr) {
        if (verdict.admission == Admission::kAdmitted) verdict.admission = Admission::kNoMeter;
        continue;
      }
      const CallerStop stop = of_[i]->counts.stop(callers_[i].limit, now);
      if (stop.span == 0) continue;
      const bool refused = verdict.admission == Admission::kRefused;
      if (!refused || stop.free_at > verdict.stop.free_at) verdict = {Admission::kRefused, i, stop};
    }
    return verdict;
  }

  void count(Micros now) const noexcept {
    for (std::size_t i = 0; i < callers_.size(); ++i) {
      of_[i]->limit = callers_[i].limit;
      of_[i]->counts.minute.add(now, 1);
      of_[i]->counts.hour.add(now, 1);
    }
  }

 private:
  std::span<const LimitedCaller> callers_;
  std::array<Meter*, kCallerScopes> of_ = {};
  std::array<Meter*, kCallerScopes> in_order_;
};

CallerVerdict CallerMeters::admit(std::span<const LimitedCaller> callers, Micros now) noexcept {
  const Held held(*this, callers);
  const CallerVerdict verdict = held.judge(now);
  if (verdict.admission == Admission::kAdmitted) held.count(now);
  return verdict;
}

bool CallerMeters::add(std::span<const LimitedCaller> callers, Micros now) noexcept {
  for (const LimitedCaller& asked : callers) {
    if (find(asked.caller) != kNone) continue;
    const std::uint32_t place = take_place(callers, now);
    if (place == kNone) return false;
    Meter& meter = meters_[place];
    meter.database = asked.caller.database;
    meter.installation = asked.caller.installation;
    meter.scope = asked.caller.scope;
    meter.name_size = static_cast<std::uint8_t>(asked.caller.name.size());
    std::copy(asked.caller.name.begin(), asked.caller.name.end(), meter.name.begin());
    meter.limit = {};
    meter.counts = {};
    std::uint32_t& bucket = bucket_of(asked.caller);
    meter.next = bucket;
    bucket = place;
  }
  return true;
}

std::uint32_t CallerMeters::take_place(std::span<const LimitedCaller> spared, Micros now) noexcept {
  if (header_->used < header_->capacity) return header_->used++;
  return evict(spared, now);
}

std::uint32_t CallerMeters::evict(std::span<const LimitedCaller> spared, Micros now) noexcept {
  const Micros in_vain_until = header_->none_idle_before;
  if (now < in_vain_until && in_vain_until - now < kLongestCount) return kNone;
  Micros soonest = kNever;
  for (std::uint32_t steps = 0; steps < header_->capacity; ++steps) {
    header_->hand = (header_->hand + 1) % header_->capacity;
    Meter& meter = meters_[header_->hand];
    const Micros idle_at = meter.idle_at(now);
    soonest = std::min(soonest, idle_at);
    const bool spare = std::any_of(spared.begin(), spared.end(), [&](const LimitedCaller& asked) {
      return meter.is_of(asked.caller);
    });
    if (idle_at > now || spare) continue;
    unlink(header_->hand);
    return header_->hand;
  }
  header_->none_idle_before = soonest;
  return kNone;
}

void CallerMeters::unlink(std::uint32_t index) noexcept {
  const Meter& meter = meters_[index];
  std::uint32_t* link =
      &bucket_of({meter.database, meter.installation, meter.scope, meter.name_view()});
  while (*link != index) link = &meters_[*link].next;
  *link = meter.next;
}

std::vector<CallerReading> CallerMeters::readings(std::uint32_t database,
                                                  std::uint32_t installation) {
  std::vector<CallerReading> found;
  for (std::uint32_t i = 0; i < header_->used; ++i) {
    Meter& meter = meters_[i];
    if (meter.database != database || meter.installation != installation) continue;
    found.push_back({meter.scope, std::string(meter.name_view()), {}});
    const std::lock_guard guard(meter.lock);
    found.back().counts = meter.counts;
  }
  return found;
}

}  // namespace keypool::core
