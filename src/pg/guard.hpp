// pg::call(lambda): the only way C++ code that owns anything calls Postgres.
//
// Nearly every Postgres function can raise an error, which is a longjmp, and a longjmp over a live
// C++ object skips its destructor. call() runs the lambda under a sigsetjmp of its own and turns
// the jump into a throw of PgError that keeps the whole ErrorData. The lambda itself must own
// nothing: captures are references or plain values, the result is plain data or void, and nothing
// with a destructor is made inside it.
// CurrentMemoryContext, PG_exception_stack and error_context_stack are the same before and after,
// however the lambda ends. Costs about 6 ns (no signal mask is saved, as in PG_TRY).
//
// A PgError that was caught must be thrown on, unless the (sub)transaction it happened in is
// rolled back (transaction.hpp): the server's state is undefined until then.
#pragma once

#include <cstdint>
#include <exception>
#include <type_traits>

#include "pg/postgres.hpp"

namespace keypool::pg {

// A Postgres error as a C++ exception. Copies share one ErrorData, which lives in a memory context
// of its own: no transaction or SPI session that ends during unwinding takes it away.
class PgError : public std::exception {
 public:
  struct Held {
    ErrorData* error;
    MemoryContext context;  // holds this struct and the error
    int references;
  };

  explicit PgError(Held* held) noexcept : held_(held) { ++held_->references; }
  PgError(const PgError& other) noexcept : PgError(other.held_) {}
  PgError& operator=(const PgError&) = delete;
  ~PgError() override {
    if (--held_->references == 0) MemoryContextDelete(held_->context);
  }

  const ErrorData& data() const noexcept { return *held_->error; }
  int sqlstate() const noexcept { return held_->error->sqlerrcode; }
  const char* what() const noexcept override {
    return held_->error->message != nullptr ? held_->error->message : "";
  }

  // Hands the error to `owner`, so that it outlives this exception: what an entry point needs to
  // raise it again after it has left the catch block.
  ErrorData* give_to(MemoryContext owner) const noexcept {
    MemoryContextSetParent(held_->context, owner);
    ++held_->references;
    return held_->error;
  }

 private:
  Held* held_;
};

namespace detail {

using GuardedBody = void (*)(void* state);

// Runs body(state); throws PgError when it raised a Postgres error. Not inlined: the caller's
// variables then cannot be clobbered by the jump.
void run_guarded(GuardedBody body, void* state);

}  // namespace detail

// How many Postgres errors this process has caught and not yet undone by a rollback. A destructor
// that must know whether the server is still in order (Session, Snapshot) compares it with the
// count at its construction.
std::uint64_t unsettled_errors() noexcept;
// For transaction.cpp: a rollback has undone everything since the count was `mark`.
void settle_errors(std::uint64_t mark) noexcept;

template <typename Body>
auto call(Body&& body) -> std::invoke_result_t<Body&> {
  using Result = std::invoke_result_t<Body&>;
  using Plain = std::remove_cvref_t<Body>;
  static_assert(std::is_trivially_destructible_v<Plain>,
                "the lambda must own nothing: a longjmp would leak its captures");
  if constexpr (std::is_void_v<Result>) {
    detail::run_guarded([](void* state) { (*static_cast<Plain*>(state))(); },
                        const_cast<Plain*>(&body));
  } else {
    static_assert(std::is_trivially_copyable_v<Result>, "return plain data from a guarded call");
    struct State {
      Plain* body;
      Result result;
    } state{const_cast<Plain*>(&body), {}};
    detail::run_guarded(
        [](void* opaque) {
          auto* inner = static_cast<State*>(opaque);
          inner->result = (*inner->body)();
        },
        &state);
    return state.result;
  }
}

// For C++ loops that may run long: throws PgError when the query was cancelled.
inline void check_interrupts() {
  if (unlikely(INTERRUPTS_PENDING_CONDITION())) {
    call([] { ProcessInterrupts(); });
  }
}

}  // namespace keypool::pg
