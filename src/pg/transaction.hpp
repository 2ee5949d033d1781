// Transactions and subtransactions as scopes whose failure is data.
//
// run_transaction is for the worker: begins, pushes a snapshot, runs the body, commits and reports
// statistics (without that autovacuum never sees the worker's writes). subtransaction is for SQL
// functions where one bad row must not stop the others. When the body throws, either rolls back and
// answers what went wrong; nothing else undoes a PgError. What is not the row's own fault (cancel,
// shutdown, lost resources, serialization failures, internal errors) subtransaction rolls back and
// throws on. What the body made (a Session, a guard) must end in the body.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "pg/postgres.hpp"

namespace keypool::pg {

// What failed, as data.
struct Problem {
  int sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
};

namespace detail {

// The body behind a plain pointer pair, so that the machinery is compiled once.
struct BodyRef {
  void* state;
  void (*run)(void* state);
};
template <typename Body>
BodyRef ref(Body& body) {
  return {&body, [](void* state) { (*static_cast<Body*>(state))(); }};
}

std::optional<Problem> run_transaction(BodyRef body);
std::optional<Problem> subtransaction(BodyRef body);

}  // namespace detail

// No transaction may be open. Empty when committed. A problem is also logged, at LOG.
template <typename Body>
std::optional<Problem> run_transaction(Body&& body) {
  return detail::run_transaction(detail::ref(body));
}

// Inside a transaction. Empty when released; memory context and resource owner are the caller's
// again in any case.
template <typename Body>
std::optional<Problem> subtransaction(Body&& body) {
  return detail::subtransaction(detail::ref(body));
}

}  // namespace keypool::pg
