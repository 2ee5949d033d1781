#include "api/audited.hpp"

#include <new>

#include "core/error.hpp"
#include "pg/error_map.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::api::detail {

namespace {

// Of the exception that is being handled.
int current_sqlstate() noexcept {
  try {
    throw;
  } catch (const pg::PgError& error) {
    return error.sqlstate();
  } catch (const core::Error& error) {
    return pg::sqlstate(error.code());
  } catch (const std::bad_alloc&) {
    return ERRCODE_OUT_OF_MEMORY;
  } catch (...) {
    return ERRCODE_INTERNAL_ERROR;
  }
}

}  // namespace

void note_failure(const char* action, std::int64_t key_id, std::string_view provider) noexcept {
  store::note_attempt(action, key_id, provider, current_sqlstate());
}

}  // namespace keypool::api::detail
