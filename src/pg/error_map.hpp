// core::ErrorCode as SQLSTATE, and core::Error as a message below ERROR.
//
// The codes are the contract of the SQL face: clients switch on them, so none is ever reused.
#pragma once

#include "core/error.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

int sqlstate(core::ErrorCode code) noexcept;

// Reports an error that stops nobody, at WARNING, NOTICE or LOG, with its detail and hint.
// Throws PgError when an interrupt arrives meanwhile: even LOG checks for them.
void report(int level, const core::Error& error);

}  // namespace keypool::pg
