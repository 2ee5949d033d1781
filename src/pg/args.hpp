// The arguments of an SQL function as plain values (phase "unpack" of entry.hpp).
//
// Positions count from 0. Views live as long as the call. get() is for arguments that must be
// given: NULL is refused with 22004 and the argument's name, so that no function needs STRICT,
// which would turn a forgotten argument into a silent NULL.
#pragma once

#include <optional>

#include "pg/datum.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

class Args {
 public:
  explicit Args(FunctionCallInfo call_info) : call_info_(call_info) {}

  FunctionCallInfo call_info() const noexcept { return call_info_; }
  bool is_null(int position) const noexcept { return call_info_->args[position].isnull; }

  template <typename T>
  T get(int position) const {
    if (is_null(position)) [[unlikely]]
      refuse_null(position);
    return from_datum<T>(call_info_->args[position].value);
  }

  template <typename T>
  std::optional<T> optional(int position) const {
    if (is_null(position)) return std::nullopt;
    return from_datum<T>(call_info_->args[position].value);
  }

  // As it came, for types that datum.hpp does not know.
  Datum datum(int position) const {
    if (is_null(position)) [[unlikely]]
      refuse_null(position);
    return call_info_->args[position].value;
  }

  // The result NULL, for functions that may have none.
  Datum null_result() const noexcept {
    call_info_->isnull = true;
    return Datum{0};
  }

 private:
  [[noreturn]] void refuse_null(int position) const;

  FunctionCallInfo call_info_;
};

}  // namespace keypool::pg
