// Every keypool.* setting, as plain data. No other file defines one.
//
// settings() may be called anywhere, by any floor but core: a load, no lock. The values are owned
// by Postgres and change between statements or at a reload (SIGHUP), never under a running
// function. Strings are never null; copy them when they must outlive the call.
#pragma once

namespace keypool::pg {

// keypool.log_level_picks
enum class PickLog : int { kOff, kDebug, kLog };

// keypool.audit_picks
enum class PickAudit : int { kOff, kAggregated, kEvery };

struct Settings {
  char* root_key_file;          // '': not set
  char* root_key_command;       // '': not set
  int max_keys;                 // slots of the pool
  int max_leases;               // slots of the lease table
  int max_budget_accounts;      // budgets, and users, keys … with a budget each, in shared memory
  int default_strategy;         // index in core's order of strategies
  int health_check_interval;    // milliseconds, 0: no periodic checks
  int request_timeout;          // milliseconds
  double error_rate_alert;      // share of requests, 0..1
  int unused_key_alert;         // seconds, 0: never
  double rate_limit_alert;      // share of a key's limit, 0..1
  double cost_alert;            // share of a budget, 0..1
  int webhook_attempts;         // of one delivery
  double unknown_request_cost;  // dollars
  int lease_timeout;            // seconds
  int request_retention;        // minutes, 0: for ever
  int lookup_attempts;          // of the worker, 0: none
  int lookup_backoff;           // milliseconds before the first, doubled for each further one
  bool validate_format;
  bool count_requests;
  bool worker;
  int log_level_picks;  // a PickLog
  bool redact;
  bool core_dumps;      // of processes that hold the keys to the keys
  int trace_key_ttl;    // seconds
  int audit_picks;      // a PickAudit
  int audit_retention;  // minutes, 0: for ever
  char* user_id;        // whom this session acts for, as a trusted role has said; '': nobody
};

namespace detail {
extern const Settings* current_settings;
}

inline const Settings& settings() noexcept { return *detail::current_settings; }

// For _PG_init: defines the settings and publishes them to the process. Works in a server that
// did not preload the library too, so that a configuration file that names them stays valid.
void define_settings();

// For the worker's shared object, which has its own copy of this code in a process where
// pg_keypool.so has defined the settings: finds those.
void attach_settings();

}  // namespace keypool::pg
