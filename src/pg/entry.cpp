#include "pg/entry.hpp"

#include <cstring>
#include <exception>
#include <new>

#include "core/error.hpp"
#include "pg/error_map.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

constinit bool preloaded = false;

// Copies without ever raising an error: a longjmp out of a catch block would leave the C++
// runtime's stack of caught exceptions wrong for good.
const char* copy_text(MemoryContext context, const char* text) noexcept {
  const std::size_t size = std::strlen(text) + 1;
  if (!AllocSizeIsValid(size)) return nullptr;
  void* copy = MemoryContextAllocExtended(context, size, MCXT_ALLOC_NO_OOM);
  if (copy == nullptr) return nullptr;
  return static_cast<const char*>(std::memcpy(copy, text, size));
}

const char* copy_optional(MemoryContext context, const std::string& text) noexcept {
  return text.empty() ? nullptr : copy_text(context, text.c_str());
}

}  // namespace

namespace detail {

Failure describe_exception(MemoryContext context) noexcept {
  try {
    throw;
  } catch (const PgError& error) {
    return {error.give_to(context), 0, nullptr, nullptr, nullptr};
  } catch (const core::Error& error) {
    return {nullptr, pg::sqlstate(error.code()), copy_text(context, error.what()),
            copy_optional(context, error.detail()), copy_optional(context, error.hint())};
  } catch (const std::bad_alloc&) {
    return {nullptr, ERRCODE_OUT_OF_MEMORY, "out of memory", nullptr, nullptr};
  } catch (const std::exception& error) {
    return {nullptr, ERRCODE_INTERNAL_ERROR, copy_text(context, error.what()), nullptr, nullptr};
  } catch (...) {
    return {nullptr, ERRCODE_INTERNAL_ERROR, "unexpected exception", nullptr, nullptr};
  }
}

void raise(const Failure& failure) {
  if (failure.postgres != nullptr) ReThrowError(failure.postgres);
  const char* message = failure.message != nullptr ? failure.message : "out of memory";
  ereport(ERROR, (errcode(failure.sqlstate), errmsg_internal("%s", message),
                  failure.detail != nullptr ? errdetail_internal("%s", failure.detail) : 0,
                  failure.hint != nullptr ? errhint("%s", failure.hint) : 0));
  pg_unreachable();
}

}  // namespace detail

void require_preloaded() {
  if (preloaded) [[likely]]
    return;
  throw core::Error(core::ErrorCode::kNotReady, "pg_keypool is not loaded at server start", {},
                    "Add pg_keypool to shared_preload_libraries in postgresql.conf and restart the "
                    "server.");
}

void mark_preloaded() noexcept { preloaded = true; }

}  // namespace keypool::pg
