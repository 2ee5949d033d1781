// What the launcher and the workers share as processes of the server: how they begin, how they
// wait.
//
// Both are crash-only: an error nobody expected ends the process, and the launcher, or the server
// for the launcher itself, starts another one.
#pragma once

#include "core/time.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

// First of all, with signals still blocked: the server's settings and shared memory; an exception
// that nobody catches ends this process with FATAL, and not the whole server with an abort.
void begin_process();

// The reload of the settings, barriers and invalidations that the server asks for, between two
// pieces of work. True: the settings were read anew.
bool serve_interrupts();
// SIGTERM came.
bool asked_to_stop() noexcept;

// Until somebody sets the latch, `descriptor` (or PGINVALID_SOCKET) is readable, or `due` is
// reached. Ends the process when the postmaster is gone. True: it was the latch.
bool wait_until(core::Micros due, pgsocket descriptor);

}  // namespace keypool::worker
