// The arguments that acquire_key and explain_pick share, checked and kept for the call.
//
// Throws kInvalidArgument for an unknown strategy and for negative amounts.
#pragma once

#include <optional>
#include <vector>

#include "pg/args.hpp"
#include "store/pick_request.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

class PickArguments {
 public:
  explicit PickArguments(const pg::Args& args);
  PickArguments(const PickArguments&) = delete;
  PickArguments& operator=(const PickArguments&) = delete;

  // Looks at this object.
  const store::PickRequest& request() const noexcept { return request_; }

 private:
  std::vector<std::int64_t> exclude_;
  std::optional<core::Strategy> strategy_;
  store::PickRequest request_;
};

}  // namespace keypool::api
