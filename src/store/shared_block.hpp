// A named block of shared memory with one lock: how it is asked for, made and found again.
//
// Backends get it by shared_preload_libraries; the worker, a library of its own, attaches to what
// the server set up. A block is a static object of whoever owns it, plain data.
#pragma once

#include <cstddef>

#include "pg/postgres.hpp"

extern "C" {
#include "storage/lwlock.h"
}

namespace keypool::store {

struct SharedBlock {
  const char* name;                // of the block and of its lock's tranche
  std::size_t (*bytes)();          // the same in every process
  void (*create)(void* zeroed);    // null: zeroed memory is right
  void (*attached)(void* memory);  // null: nothing else to do
  // Set once a process tree and inherited by fork.
  void* memory;
  LWLock* lock;
  SharedBlock* next;
};

// _PG_init only.
void install_block(SharedBlock& block);
// The worker's library: finds the block that the server made.
void attach_block(SharedBlock& block);

}  // namespace keypool::store
