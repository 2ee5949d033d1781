#include "record.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace stand_in {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestField = 200;
constexpr char kSeparator = '\n';

// A row is kept as one text, so that counting it again needs no fields of its own.
std::string row_of(std::string_view first, const Sighting& sighting) {
  std::string row;
  row.reserve(128);
  for (const std::string_view field :
       {first, sighting.provider, sighting.key_hint, sighting.method, sighting.path}) {
    const auto start = static_cast<std::ptrdiff_t>(row.size());
    row.append(field.substr(0, kLongestField));
    // A decoded path may hold anything, the separator too.
    std::replace(row.begin() + start, row.end(), kSeparator, ' ');
    row.push_back(kSeparator);
  }
  return row;
}

json listed(const std::unordered_map<std::string, std::uint64_t>& rows, bool with_status) {
  json list = json::array();
  for (const auto& [row, count] : rows) {
    std::array<std::string, 5> fields;
    std::size_t start = 0;
    for (std::string& field : fields) {
      const auto end = row.find(kSeparator, start);
      field = row.substr(start, end - start);
      start = end + 1;
    }
    json line = {{"provider", fields[1]},
                 {"key", fields[2]},
                 {"method", fields[3]},
                 {"path", fields[4]},
                 {"count", count}};
    if (with_status) {
      line["status"] = std::stoi(fields[0]);
    } else {
      line["what"] = fields[0];
    }
    list.push_back(std::move(line));
  }
  return list;
}

}  // namespace

void Record::count(const Sighting& sighting) {
  std::string row = row_of(std::to_string(sighting.status), sighting);
  const std::lock_guard lock(mutex_);
  ++total_;
  if (requests_.size() < kMostRows || requests_.contains(row)) {
    ++requests_[std::move(row)];
  } else {
    ++unlisted_;
  }
}

void Record::count_violation(std::string_view what, const Sighting& sighting) {
  std::string row = row_of(what, sighting);
  const std::lock_guard lock(mutex_);
  if (violations_.size() < kMostRows || violations_.contains(row)) ++violations_[std::move(row)];
}

void Record::count_redirect_target(const std::vector<std::string_view>& credential_headers) {
  const std::lock_guard lock(mutex_);
  ++redirect_target_hits_;
  redirect_target_headers_.insert(credential_headers.begin(), credential_headers.end());
}

json Record::report() const {
  const std::lock_guard lock(mutex_);
  return {{"total", total_},
          {"unlisted", unlisted_},
          {"in_flight", present_.load()},
          {"most_in_flight", most_present_.load()},
          {"requests", listed(requests_, true)},
          {"violations", listed(violations_, false)},
          {"redirect_target",
           {{"hits", redirect_target_hits_}, {"credential_headers", redirect_target_headers_}}}};
}

void Record::clear() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
  violations_.clear();
  total_ = 0;
  unlisted_ = 0;
  redirect_target_hits_ = 0;
  redirect_target_headers_.clear();
  most_present_ = present_.load();
}

Record::Presence::Presence(Record& record) : record_(record) {
  const std::int64_t now = ++record_.present_;
  std::int64_t most = record_.most_present_.load();
  while (now > most && !record_.most_present_.compare_exchange_weak(most, now)) {
  }
}

Record::Presence::~Presence() { --record_.present_; }

}  // namespace stand_in
