#include "pg/transaction.hpp"

#include <cstdint>
#include <new>

#include "core/error.hpp"
#include "pg/error_map.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "pgstat.h"
}

namespace keypool::pg {

namespace {

std::string text_or_empty(const char* text) { return text != nullptr ? text : ""; }

// Inside a catch block.
Problem describe_problem() {
  try {
    throw;
  } catch (const PgError& error) {
    const ErrorData& data = error.data();
    return {data.sqlerrcode, text_or_empty(data.message), text_or_empty(data.detail),
            text_or_empty(data.hint)};
  } catch (const core::Error& error) {
    return {sqlstate(error.code()), error.message(), error.detail(), error.hint()};
  } catch (const std::bad_alloc&) {
    return {ERRCODE_OUT_OF_MEMORY, "out of memory", {}, {}};
  } catch (const std::exception& error) {
    return {ERRCODE_INTERNAL_ERROR, error.what(), {}, {}};
  }
}

// Whether a problem belongs to the row at hand and not to the session, the server or the code.
bool is_local_problem(int code) {
  switch (ERRCODE_TO_CATEGORY(code)) {
    case ERRCODE_TRANSACTION_ROLLBACK:
    case ERRCODE_INSUFFICIENT_RESOURCES:
    case ERRCODE_OPERATOR_INTERVENTION:
    case ERRCODE_SYSTEM_ERROR:
    case ERRCODE_INTERNAL_ERROR:
      return false;
    default:
      return true;
  }
}

void log_problem(const Problem& problem) {
  const char* message = problem.message.c_str();
  const char* detail = problem.detail.empty() ? nullptr : problem.detail.c_str();
  const int code = problem.sqlstate;
  call([=] {
    ereport(LOG, (errcode(code), errmsg_internal("transaction rolled back: %s", message),
                  detail != nullptr ? errdetail_internal("%s", detail) : 0));
  });
}

void abort_transaction() {
  call([] {
    InterruptHoldoffCount = InterruptHoldoffCount + 1;  // the macro's ++ is deprecated on volatile
    AbortCurrentTransaction();
    InterruptHoldoffCount = InterruptHoldoffCount - 1;
  });
}

// What a subtransaction must leave as it found it.
class Surroundings {
 public:
  Surroundings() noexcept
      : memory_(CurrentMemoryContext), owner_(CurrentResourceOwner), errors_(unsettled_errors()) {}
  void restore() const noexcept {
    CurrentMemoryContext = memory_;
    CurrentResourceOwner = owner_;
  }
  void restore_after_rollback() const noexcept {
    restore();
    settle_errors(errors_);
  }

 private:
  MemoryContext memory_;
  ResourceOwner owner_;
  std::uint64_t errors_;
};

}  // namespace

namespace detail {

std::optional<Problem> run_transaction(BodyRef body) {
  const MemoryContext outer = CurrentMemoryContext;
  const std::uint64_t errors_before = unsettled_errors();
  std::optional<Problem> problem;
  try {
    call([] {
      SetCurrentStatementStartTimestamp();
      StartTransactionCommand();
      PushActiveSnapshot(GetTransactionSnapshot());
    });
    CurrentMemoryContext = CurTransactionContext;
    body.run(body.state);
    CurrentMemoryContext = outer;
    call([] {
      PopActiveSnapshot();
      CommitTransactionCommand();
    });
  } catch (...) {
    problem = describe_problem();
  }
  CurrentMemoryContext = outer;
  if (problem.has_value()) {
    abort_transaction();
    settle_errors(errors_before);
    log_problem(*problem);
  }
  call([] { pgstat_report_stat(true); });
  return problem;
}

std::optional<Problem> subtransaction(BodyRef body) {
  const Surroundings before;
  call([] { BeginInternalSubTransaction(nullptr); });
  CurrentMemoryContext = CurTransactionContext;
  try {
    body.run(body.state);
    before.restore();
    call([] { ReleaseCurrentSubTransaction(); });
    before.restore();
    return std::nullopt;
  } catch (...) {
    before.restore();
    call([] { RollbackAndReleaseCurrentSubTransaction(); });
    before.restore_after_rollback();
    Problem problem = describe_problem();
    if (!is_local_problem(problem.sqlstate)) throw;
    return problem;
  }
}

}  // namespace detail

}  // namespace keypool::pg
