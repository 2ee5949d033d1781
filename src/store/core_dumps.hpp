// Keeps a process that is about to hold key material out of core files, and its memory out of reach
// of other processes of the server's user (ptrace, /proc/PID/mem): unless keypool.core_dumps is on.
//
// For the rest of the process's life, since a key that was once there may have left copies in
// memory that Postgres or the allocator freed. Linux only; elsewhere it does nothing.
#pragma once

namespace keypool::store {

void keep_out_of_core_dumps() noexcept;

}  // namespace keypool::store
