#include "store/launcher_registration.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace keypool::store {

namespace {

constexpr int kRestartSeconds = 5;

}  // namespace

// On a standby the launcher starts with the promotion: the worker writes down what it learns.
void register_launcher() {
  BackgroundWorker launcher = {};
  launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  launcher.bgw_start_time = BgWorkerStart_RecoveryFinished;
  launcher.bgw_restart_time = kRestartSeconds;
  strlcpy(launcher.bgw_name, "pg_keypool launcher", sizeof launcher.bgw_name);
  strlcpy(launcher.bgw_type, "pg_keypool launcher", sizeof launcher.bgw_type);
  strlcpy(launcher.bgw_library_name, "pg_keypool_worker", sizeof launcher.bgw_library_name);
  strlcpy(launcher.bgw_function_name, "keypool_launcher_main", sizeof launcher.bgw_function_name);
  RegisterBackgroundWorker(&launcher);
}

}  // namespace keypool::store
