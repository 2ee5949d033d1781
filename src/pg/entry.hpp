// How a C++ function becomes an SQL function: the exception barrier of every entry point.
//
// A C++ exception that leaves a C frame aborts the process and restarts the whole cluster. entry()
// catches everything, leaves the catch block (so that the exception is destroyed), and only then
// raises the Postgres error: a PgError as it was, a core::Error with its SQLSTATE, detail and hint,
// bad_alloc as 53200, anything else as XX000.
//
// An SQL function has three phases:
//   unpack   Args turns datums into plain values and views
//   compute  C++ only: store and core; may own objects, may throw
//   pack     to_datum, record or RowSet make the result
// Postgres calls of one's own, in any phase, go through pg::call (guard.hpp).
#pragma once

#include "pg/args.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace detail {

// A caught exception as plain data, which an error's longjmp may leave behind.
struct Failure {
  ErrorData* postgres;  // raised again as it is when not null; else the rest is reported
  int sqlstate;
  const char* message;
  const char* detail;
  const char* hint;
};

// Inside a catch block: describes the exception, in memory of the given context.
Failure describe_exception(MemoryContext context) noexcept;
[[noreturn]] void raise(const Failure& failure);

}  // namespace detail

// The barrier for any C callback whose C++ body may fail: SQL functions, triggers, the worker's
// main function.
template <typename Body>
auto barrier(Body body) {
  MemoryContext context = CurrentMemoryContext;
  detail::Failure failure;
  try {
    return body();
  } catch (...) {
    failure = detail::describe_exception(context);
  }
  CurrentMemoryContext = context;
  detail::raise(failure);
}

// Fails with 55000 unless the server was started with the library preloaded.
void require_preloaded();
// For _PG_init: shared memory was asked for, calls may proceed.
void mark_preloaded() noexcept;

template <Datum (*kBody)(const Args&)>
Datum entry(FunctionCallInfo fcinfo) {
  return barrier([fcinfo] {
    require_preloaded();
    return kBody(Args(fcinfo));
  });
}

}  // namespace keypool::pg

// Defines the SQL-callable symbol keypool_<name> over `Datum body(const pg::Args&)`.
#define KEYPOOL_FUNCTION(name, body)                                                    \
  extern "C" {                                                                          \
  PGDLLEXPORT Datum keypool_##name(PG_FUNCTION_ARGS);                                   \
  PG_FUNCTION_INFO_V1(keypool_##name);                                                  \
  Datum keypool_##name(PG_FUNCTION_ARGS) { return ::keypool::pg::entry<body>(fcinfo); } \
  }                                                                                     \
  static_assert(true, "takes the semicolon")
