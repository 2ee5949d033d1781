// Keeps keys out of the server's log, pg_stat_activity and pg_stat_statements: core/redact at the
// places where texts pass. docs/redaction.md says which those are, and what they cannot cover.
//
// While keypool.redact is off nothing is touched.
#pragma once

namespace keypool::api {

// For _PG_init. The hooks come into place once all libraries are loaded, around theirs, so that
// pg_stat_statements and auto_explain see masked texts whatever the order they are named in.
void install_redaction();

}  // namespace keypool::api
