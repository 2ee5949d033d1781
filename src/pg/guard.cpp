#include "pg/guard.hpp"

#include <csetjmp>
#include <new>

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

constinit std::uint64_t unsettled = 0;

// Puts back what a guarded call must leave as it was. Its destructor also runs when a C++
// exception passes through, which the jump buffer would not notice.
class Restore {
 public:
  Restore() noexcept
      : handler_(PG_exception_stack),
        callbacks_(error_context_stack),
        memory_(CurrentMemoryContext) {}
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() {
    PG_exception_stack = handler_;
    error_context_stack = callbacks_;
    CurrentMemoryContext = memory_;
  }

 private:
  sigjmp_buf* handler_;
  ErrorContextCallback* callbacks_;
  MemoryContext memory_;
};

// Moves the current error out of the server's error stack. Copying allocates and so can fail with
// an error of its own, which must not jump either: then there is nothing to hold, and null.
PgError::Held* take_error() noexcept {
  Restore restore;
  MemoryContext volatile context = nullptr;
  PgError::Held* volatile held = nullptr;
  sigjmp_buf trap;
  if (sigsetjmp(trap, 0) == 0) {
    PG_exception_stack = &trap;
    context = AllocSetContextCreate(TopMemoryContext, "keypool error", ALLOCSET_SMALL_SIZES);
    MemoryContextSwitchTo(context);
    auto* copy = static_cast<PgError::Held*>(palloc(sizeof(PgError::Held)));
    *copy = {CopyErrorData(), context, 0};
    held = copy;
  } else if (context != nullptr) {
    MemoryContextDelete(context);
  }
  FlushErrorState();
  return held;
}

}  // namespace

namespace detail {

void run_guarded(GuardedBody body, void* state) {
  Restore restore;
  sigjmp_buf trap;
  if (sigsetjmp(trap, 0) == 0) {
    PG_exception_stack = &trap;
    body(state);
    return;
  }
  ++unsettled;
  PgError::Held* held = take_error();
  if (held == nullptr) throw std::bad_alloc();
  throw PgError(held);
}

}  // namespace detail

std::uint64_t unsettled_errors() noexcept { return unsettled; }

void settle_errors(std::uint64_t mark) noexcept { unsettled = mark; }

}  // namespace keypool::pg
