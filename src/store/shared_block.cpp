#include "store/shared_block.hpp"

#include <cstring>

#include "pg/postgres.hpp"

extern "C" {
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
}

namespace keypool::store {

namespace {

SharedBlock* installed = nullptr;
shmem_request_hook_type previous_request_hook = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;

void request_memory() {
  if (previous_request_hook != nullptr) previous_request_hook();
  for (const SharedBlock* block = installed; block != nullptr; block = block->next) {
    RequestAddinShmemSpace(block->bytes());
    RequestNamedLWLockTranche(block->name, 1);
  }
}

void start_up() {
  if (previous_startup_hook != nullptr) previous_startup_hook();
  for (SharedBlock* block = installed; block != nullptr; block = block->next) attach_block(*block);
}

}  // namespace

void install_block(SharedBlock& block) {
  if (installed == nullptr) {
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = request_memory;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = start_up;
  }
  block.next = installed;
  installed = &block;
}

void attach_block(SharedBlock& block) {
  bool found = false;
  const std::size_t bytes = block.bytes();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  void* memory = ShmemInitStruct(block.name, bytes, &found);
  if (!found) {
    std::memset(memory, 0, bytes);
    if (block.create != nullptr) block.create(memory);
  }
  LWLockRelease(AddinShmemInitLock);
  block.memory = memory;
  block.lock = &GetNamedLWLockTranche(block.name)->lock;
  if (block.attached != nullptr) block.attached(memory);
}

}  // namespace keypool::store
