// Who this session is to the audit log.
//
// The acting role is that of SET ROLE, or else the session's: neither a SECURITY DEFINER function
// in between nor our own acting as the tables' owner changes it. No catalog is read and no Postgres
// call made that can fail, so that it may be asked after an error too; role names need a
// transaction.
#pragma once

#include <string>
#include <string_view>

#include "core/audit_slot.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

// `changed`: not the same as at the last call. Cheap when it is. Throws std::bad_alloc.
const core::AuditCaller& audit_caller(bool& changed);

// Scrubbed of secrets, and in ASCII: every database's encoding can store it.
std::string plain_text(std::string_view text);

// The name of a role; its number when it is gone. Throws PgError.
std::string role_name(Oid role);

}  // namespace keypool::store
