// SQL functions that fail in every way src/pg must survive, and tell what was cleaned up.
#include <cstdint>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "pg/entry.hpp"
#include "pg/error_map.hpp"
#include "pg/guard.hpp"
#include "pg/lwlock.hpp"
#include "pg/owner.hpp"
#include "pg/result.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

// The functions below need nothing that preloading gives; one starts unmarked to prove the refusal.
void _PG_init(void) {}

namespace keypool::guard_test {
namespace {

// How many of these were destroyed shows whether a jump skipped one.
class Witness {
 public:
  Witness() { ++alive; }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness() { --alive; }

  static constinit inline std::int32_t alive = 0;

 private:
  std::string ballast_ = std::string(100, 'x');
};

// mark_preloaded() → void
Datum preload(FunctionCallInfo) {
  pg::mark_preloaded();
  return Datum{0};
}

// throw_core(code int, detail text, hint text)
Datum throw_core(const pg::Args& args) {
  Witness witness;
  const auto text_or_empty = [&](int position) {
    return std::string(args.optional<std::string_view>(position).value_or(""));
  };
  throw core::Error(static_cast<core::ErrorCode>(args.get<std::int32_t>(0)), "asked to fail",
                    text_or_empty(1), text_or_empty(2));
}

// throw_other(kind text)
Datum throw_other(const pg::Args& args) {
  Witness witness;
  const auto kind = args.get<std::string_view>(0);
  if (kind == "bad_alloc") throw std::bad_alloc();
  if (kind == "std") throw std::runtime_error("from the standard library");
  throw 42;
}

void run_nested(std::string_view sql, int depth) {
  Witness witness;
  if (depth > 0) return run_nested(sql, depth - 1);
  pg::Session session;
  session.run(std::string(sql).c_str());
}

// run(sql text): below three C++ frames and an SPI session
Datum run(const pg::Args& args) {
  run_nested(args.get<std::string_view>(0), 3);
  return args.null_result();
}

// try_run(sql text) → text: in a subtransaction, the problem as data
Datum try_run(const pg::Args& args) {
  const auto sql = args.get<std::string_view>(0);
  pg::Session outer;
  const auto problem = pg::subtransaction([&] { run_nested(sql, 3); });
  outer.run("SELECT 1");
  if (!problem.has_value()) return args.null_result();
  return pg::to_datum(problem->message);
}

// alive() → int: witnesses that were never destroyed
Datum alive(const pg::Args&) { return pg::to_datum(Witness::alive); }

// fail_under_lock() → fails; lock_held() → bool; interrupts_held() → bool
Datum fail_under_lock(const pg::Args&) {
  pg::ExclusiveGuard guard(AddinShmemInitLock);
  pg::call([] { ereport(ERROR, (errmsg("failed under the lock"))); });
  return Datum{0};
}
Datum lock_held(const pg::Args&) { return pg::to_datum(LWLockHeldByMe(AddinShmemInitLock)); }
Datum interrupts_held(const pg::Args&) { return pg::to_datum(InterruptHoldoffCount > 0); }

// act_as(role oid, sql text) → text
Datum act_as(const pg::Args& args) {
  pg::ActAs owner(args.get<Oid>(0));
  pg::Session session;
  const std::string sql(args.get<std::string_view>(1));
  return pg::to_datum(session.run(sql.c_str()).get<std::string>(0, 0));
}

// latest(sql text) → text: what a latest snapshot sees
Datum latest(const pg::Args& args) {
  const std::string sql(args.get<std::string_view>(0));
  pg::Session session;
  pg::LatestSnapshot snapshot;
  return pg::to_datum(session.read(sql.c_str()).get<std::string>(0, 0));
}

// spin(): runs until cancelled
Datum spin(const pg::Args&) {
  Witness witness;
  for (;;) pg::check_interrupts();
}

// warn(message text) → void
Datum warn(const pg::Args& args) {
  pg::report(WARNING, core::Error(core::ErrorCode::kDecryptionFailed,
                                  std::string(args.get<std::string_view>(0)), "A detail."));
  return args.null_result();
}

// nanoseconds_a_call(times int) → float8
Datum nanoseconds_a_call(const pg::Args& args) {
  const auto times = args.get<std::int32_t>(0);
  const auto start = std::chrono::steady_clock::now();
  for (std::int32_t i = 0; i < times; ++i)
    pg::call([] { return GetCurrentTransactionNestLevel(); });
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  return pg::to_datum(spent.count() / times);
}

}  // namespace

extern "C" {
PGDLLEXPORT Datum keypool_preload(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(keypool_preload);
Datum keypool_preload(PG_FUNCTION_ARGS) { return preload(fcinfo); }
}
KEYPOOL_FUNCTION(throw_core, throw_core);
KEYPOOL_FUNCTION(throw_other, throw_other);
KEYPOOL_FUNCTION(run, run);
KEYPOOL_FUNCTION(try_run, try_run);
KEYPOOL_FUNCTION(alive, alive);
KEYPOOL_FUNCTION(fail_under_lock, fail_under_lock);
KEYPOOL_FUNCTION(lock_held, lock_held);
KEYPOOL_FUNCTION(interrupts_held, interrupts_held);
KEYPOOL_FUNCTION(act_as, act_as);
KEYPOOL_FUNCTION(latest, latest);
KEYPOOL_FUNCTION(spin, spin);
KEYPOOL_FUNCTION(warn, warn);
KEYPOOL_FUNCTION(nanoseconds_a_call, nanoseconds_a_call);

}  // namespace keypool::guard_test
