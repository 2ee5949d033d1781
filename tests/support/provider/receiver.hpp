// A receiver of webhooks: takes what is posted under /hooks/{name} and keeps it whole, headers and
// body, for the test that asks.
//
// How it answers is up to the script, as the key {name} of the provider "hooks". Shared by all
// threads behind one mutex. Memory is bounded: beyond kMostPosts, posts are counted and not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "answer.hpp"
#include "request.hpp"
#include "script.hpp"

namespace stand_in {

class Receiver {
 public:
  static constexpr std::size_t kMostPosts = 10'000;

  explicit Receiver(Script& script) : script_(script) {}

  static bool owns(std::string_view path) { return path.starts_with("/hooks/"); }

  Answer answer(const Request& request);

  nlohmann::json report() const;
  void clear();

 private:
  void keep(const Request& request, std::string_view name, int status);

  Script& script_;
  mutable std::mutex mutex_;
  std::vector<nlohmann::json> posts_;
  std::uint64_t unlisted_ = 0;
};

}  // namespace stand_in
