// SQL from C++: a Session connects to SPI for a scope and runs statements with bound parameters.
//
//   pg::Session session;
//   pg::Rows rows = session.run("UPDATE keypool.api_keys SET enabled = $2 WHERE id = $1"
//                               " RETURNING name", key_id, false);
//   for (std::size_t i = 0; i < rows.size(); ++i) use(rows.get<std::string_view>(i, 0));
//
// SQL text is constant and qualifies every name or runs under ActAs (owner.hpp); values go in as
// parameters only. Columns count from 0. Views point into the result and live as long as Rows.
// Everything throws PgError. Needs a transaction; run() needs nothing else, read() an active
// snapshot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "pg/datum.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

// The rows of one statement; frees them at its end. Must not outlive its Session.
class Rows {
 public:
  Rows(SPITupleTable* table, std::uint64_t affected) noexcept;
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return table_ != nullptr ? table_->numvals : 0; }
  std::uint64_t affected() const noexcept { return affected_; }

  // A NULL where T cannot be null is XX000: the query promised otherwise.
  template <typename T>
  T get(std::size_t row, int column) const {
    const NullableValue value = at(row, column);
    if (value.is_null) refuse_null(column);
    return from_datum<T>(value.datum);
  }
  template <typename T>
  std::optional<T> optional(std::size_t row, int column) const {
    const NullableValue value = at(row, column);
    if (value.is_null) return std::nullopt;
    return from_datum<T>(value.datum);
  }

 private:
  NullableValue at(std::size_t row, int column) const;
  [[noreturn]] static void refuse_null(int column);

  SPITupleTable* table_;
  std::uint64_t affected_;
  std::uint64_t errors_before_;
};

class Session {
 public:
  Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Any statement; sees what this transaction has written so far.
  template <typename... Params>
  Rows run(const char* sql, const Params&... params) {
    return bind(Mode::kWrite, sql, params...);
  }
  // A query that writes nothing; sees exactly the active snapshot.
  template <typename... Params>
  Rows read(const char* sql, const Params&... params) {
    return bind(Mode::kRead, sql, params...);
  }

 private:
  enum class Mode { kRead, kWrite };
  struct Parameter {
    Oid type;
    NullableValue value;
  };

  template <typename... Params>
  Rows bind(Mode mode, const char* sql, const Params&... params) {
    // One more than there are parameters: an array of none is not C++.
    Parameter bound[sizeof...(Params) + 1];
    call([&] {
      [[maybe_unused]] Parameter* next = bound;
      ((*next++ = Parameter{SqlType<std::decay_t<const Params&>>::kOid, pack(decayed(params))}),
       ...);
    });
    return execute(mode, sql, {bound, sizeof...(Params)});
  }

  // String literals arrive as arrays; everything else passes through.
  template <typename T>
  static const T& decayed(const T& value) {
    return value;
  }
  template <std::size_t kSize>
  static const char* decayed(const char (&value)[kSize]) {
    return value;
  }

  Rows execute(Mode mode, const char* sql, std::span<const Parameter> parameters);

  std::uint64_t errors_before_;
};

}  // namespace keypool::pg
