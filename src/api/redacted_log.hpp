// Redacts what the server is about to log, and to send to the client along with that.
#pragma once

struct ErrorData;

namespace keypool::api {

// For emit_log_hook. Runs in every process of the server, the postmaster among them, within
// critical sections and while an error is being handled: raises nothing, takes no lock. When there
// is no memory the texts are withheld.
void redact_log_entry(ErrorData& entry) noexcept;

}  // namespace keypool::api
