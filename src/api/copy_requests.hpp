// COPY keypool.chat_completion_requests FROM STDIN by a role that row-level security binds.
//
// Postgres refuses COPY into a table with row-level security outright, whatever the policies say.
// Ours let every row in that may be inserted at all, so there is nothing to obey: this hook does
// what the server's COPY does, but for that refusal, as the role that asked, with its privileges
// and the table's triggers and defaults. Where a policy could say no, or another library has a say
// in policies, or the COPY has a WHERE, reads a file or a program, the server decides as ever.
//
// Hook of every backend, chained; any other statement costs one comparison. A COPY that is done
// here is not seen by hooks of libraries that were loaded before this one.
#pragma once

namespace keypool::api {

// _PG_init of a preloaded library only.
void install_copy_requests();

}  // namespace keypool::api
