#include "pg/settings.hpp"

#include <climits>

#include "pg/postgres.hpp"

namespace keypool::pg {

namespace {

constinit Settings values = {};

// In the order of core's strategies, which the number is.
constexpr config_enum_entry kStrategies[] = {
    {"round_robin", 0, false},    {"least_used", 1, false},  {"cost_optimized", 2, false},
    {"random", 3, false},         {"single", 4, false},      {"least_busy", 5, false},
    {"lowest_latency", 6, false}, {"usage_based", 7, false}, {nullptr, 0, false}};

constexpr config_enum_entry kPickLogs[] = {{"off", static_cast<int>(PickLog::kOff), false},
                                           {"debug", static_cast<int>(PickLog::kDebug), false},
                                           {"log", static_cast<int>(PickLog::kLog), false},
                                           {nullptr, 0, false}};

constexpr config_enum_entry kPickAudits[] = {
    {"off", static_cast<int>(PickAudit::kOff), false},
    {"aggregated", static_cast<int>(PickAudit::kAggregated), false},
    {"every", static_cast<int>(PickAudit::kEvery), false},
    {nullptr, 0, false}};

struct Text {
  const char* name;
  const char* summary;
  const char* advice;  // when to change it
};

void define_string(const Text& text, char** value) {
  DefineCustomStringVariable(text.name, text.summary, text.advice, value, "", PGC_SIGHUP,
                             GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
}

struct IntRange {
  int initial;
  int least;
  int most;
};

void define_int(const Text& text, int* value, IntRange range, GucContext context, int flags) {
  DefineCustomIntVariable(text.name, text.summary, text.advice, value, range.initial, range.least,
                          range.most, context, flags, nullptr, nullptr, nullptr);
}

void define_share(const Text& text, double* value, double initial) {
  DefineCustomRealVariable(text.name, text.summary, text.advice, value, initial, 0.0, 1.0,
                           PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
}

void define_bool(const Text& text, bool* value, GucContext context) {
  DefineCustomBoolVariable(text.name, text.summary, text.advice, value, true, context, 0, nullptr,
                           nullptr, nullptr);
}

void define_enum(const Text& text, int* value, const config_enum_entry* options,
                 GucContext context) {
  DefineCustomEnumVariable(text.name, text.summary, text.advice, value, 0, options, context, 0,
                           nullptr, nullptr, nullptr);
}

void define_root_key() {
  define_string({"keypool.root_key_file", "File that holds the 32-byte root key.",
                 "Set it to keep the root key away from the data directory, so that neither a "
                 "backup nor a stolen disk has both. The file must be readable by the server's "
                 "user alone."},
                &values.root_key_file);
  define_string({"keypool.root_key_command", "Command that prints the root key.",
                 "Set it when the root key lives in a key manager. Runs in the shell as the "
                 "server's user, and only when keypool.root_key_file is not set."},
                &values.root_key_command);
}

// A setting that is fixed at start cannot be defined later: the server refuses with FATAL. In a
// server that did not preload us these two hold nothing up, so they may be anything.
void define_sizes() {
  const GucContext fixed =
      process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP;
  define_int({"keypool.max_keys", "Number of keys the pool in shared memory can hold.",
              "Raise it when adding a system or organization key fails because the pool is full. "
              "A slot takes at most 1 kB."},
             &values.max_keys, {16384, 64, 1000000}, fixed, 0);
  define_int({"keypool.max_leases", "Number of leases that can be open at once.",
              "Raise it when acquire_key fails because all leases are taken: about the number of "
              "provider requests in flight, plus those that ended without being settled."},
             &values.max_leases, {65536, 64, 10000000}, fixed, 0);
  define_int(
      {"keypool.max_budget_accounts", "Number of budgets' sums kept in shared memory.",
       "Raise it when more users, keys or models with a budget each are active at a time: "
       "the sums of those that are idle are read from the tables again when they come back."},
      &values.max_budget_accounts, {16384, 64, 1000000}, fixed, 0);
}

void define_picking() {
  define_enum({"keypool.default_strategy", "Strategy of providers that name none of their own.",
               "Change it to spread requests otherwise than evenly by weight; "
               "keypool.providers.strategy overrides it for one provider."},
              &values.default_strategy, kStrategies, PGC_SIGHUP);
  define_int({"keypool.lease_timeout", "Time after which an unsettled lease is given back.",
              "Set it above the longest request, streaming included: a lease that expires earlier "
              "frees capacity that is still in use."},
             &values.lease_timeout, {600, 1, 7 * 86400}, PGC_SIGHUP, GUC_UNIT_S);
  define_bool({"keypool.validate_format", "Check a new key against its provider's format.",
               "Turn it off when a provider issues keys of a new shape before its pattern in "
               "keypool.providers is updated."},
              &values.validate_format, PGC_SUSET);
  define_enum({"keypool.log_level_picks", "Level at which picks are logged, without the secret.",
               "Set it to log for a while to see who picks which key; every pick then costs a "
               "log line."},
              &values.log_level_picks, kPickLogs, PGC_SUSET);
}

void define_worker() {
  define_bool({"keypool.worker", "Run the background workers.",
               "Turn it off to stop health checks and every other outgoing connection; picks go "
               "on with what is known."},
              &values.worker, PGC_SIGHUP);
  define_int({"keypool.health_check_interval", "Time between two checks of the same key.",
              "Shorten it to notice a revoked credential sooner, at one free request a key and "
              "interval. 0 turns periodic checks off."},
             &values.health_check_interval, {300000, 0, INT_MAX}, PGC_SIGHUP, GUC_UNIT_MS);
  define_int({"keypool.request_timeout", "Longest time one health check may take.",
              "Raise it for providers behind a slow network."},
             &values.request_timeout, {30000, 100, 600000}, PGC_SIGHUP, GUC_UNIT_MS);
}

void define_requests() {
  define_int({"keypool.request_retention", "Age at which a day of the request log is dropped.",
              "Set it to bound the log's size; the day's figures leave the views with it. 0 keeps "
              "everything."},
             &values.request_retention, {0, 0, INT_MAX}, PGC_SIGHUP, GUC_UNIT_MIN);
  define_int({"keypool.lookup_attempts", "How often the worker looks for the key of a request.",
              "Raise it when keys are stored long after their first requests were logged. 0 turns "
              "the retries off."},
             &values.lookup_attempts, {3, 0, 20}, PGC_SIGHUP, 0);
  define_int({"keypool.lookup_backoff", "Pause before the first retry of a key's lookup.",
              "Each further retry waits twice as long as the one before."},
             &values.lookup_backoff, {100, 1, 3600000}, PGC_SIGHUP, GUC_UNIT_MS);
  define_bool({"keypool.count_requests", "Count logged requests in the keys' live counters.",
               "Turn it off in a session that moves or restores rows of the log which were counted "
               "when they were written. The views are exact either way."},
              &values.count_requests, PGC_SUSET);
}

void define_budgets() {
  DefineCustomRealVariable(
      "keypool.unknown_request_cost", "Dollars that a budget is charged for an unpriced request.",
      "Set it to what a request of your dearest model costs. It never enters the log: a cost that "
      "is not known stays unknown there.",
      &values.unknown_request_cost, 0.1, 0.000001, 1000.0, PGC_SIGHUP, 0, nullptr, nullptr,
      nullptr);
}

void define_alerts() {
  define_share({"keypool.error_rate_alert", "Share of failed requests that raises an alert.",
                "Raise it when a provider's ordinary failures keep alerts open."},
               &values.error_rate_alert, 0.2);
  define_int(
      {"keypool.unused_key_alert", "Time a key may stay unused while others of its provider work.",
       "Raise it for keys kept in reserve. 0 turns the alert off."},
      &values.unused_key_alert, {86400, 0, INT_MAX}, PGC_SIGHUP, GUC_UNIT_S);
  define_share({"keypool.rate_limit_alert", "Share of a key's limit that raises an alert.",
                "Lower it to hear earlier that a key is about to be passed over. 1 turns the "
                "alert off."},
               &values.rate_limit_alert, 0.8);
  define_share({"keypool.cost_alert", "Share of a budget that raises an alert.",
                "Lower it to hear earlier that money runs out. 1 tells only of what is spent."},
               &values.cost_alert, 0.8);
  define_int({"keypool.webhook_attempts", "How often an alert is posted to a webhook that fails.",
              "The pause doubles from a second on: eight attempts take about two minutes."},
             &values.webhook_attempts, {8, 1, 20}, PGC_SIGHUP, 0);
}

void define_secrecy() {
  define_bool({"keypool.redact", "Take secrets out of the server's log and statistics.",
               "Turn it off for a moment to see what a statement really said. Keys are then "
               "written to the log as they were typed."},
              &values.redact, PGC_SUSET);
  DefineCustomBoolVariable(
      "keypool.core_dumps", "Let processes that hold the keys to the keys dump core.",
      "Turn it on while you debug a crash: the core file then holds key material, and processes of "
      "the server's user may read each other's memory. Taken in by new sessions.",
      &values.core_dumps, false, PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
  define_int({"keypool.trace_key_ttl", "Time a key taken from request headers is kept.",
              "Shorten it when callers send their keys with every request anyway. Each use of "
              "import_trace_keys starts it anew; past it the ciphertext is destroyed."},
             &values.trace_key_ttl, {3600, 1, 30 * 86400}, PGC_SIGHUP, GUC_UNIT_S);
}

// A role that cannot set this cannot lie about it: GRANT SET ON PARAMETER decides whose word
// counts.
void define_identity() {
  DefineCustomStringVariable(
      "keypool.user_id", "User whom the session acts for.",
      "Set it, best with SET LOCAL, before switching to a role of level member. Only superusers "
      "and roles with SET on this parameter can, which grant_keypool gives to callers.",
      &values.user_id, "", PGC_SUSET, 0, nullptr, nullptr, nullptr);
}

void define_audit() {
  DefineCustomEnumVariable(
      "keypool.audit_picks", "How picks are written to the audit log.",
      "Set it to every where each single disclosure of a key must stand in a row of its own, which "
      "costs a row a pick; to off where the request log is enough.",
      &values.audit_picks, static_cast<int>(PickAudit::kAggregated), kPickAudits, PGC_SIGHUP, 0,
      nullptr, nullptr, nullptr);
  define_int(
      {"keypool.audit_retention", "Age at which entries of the audit log are dropped.",
       "Set it to bound the log's size. What is left still verifies, from an entry that says "
       "what was dropped. 0 keeps everything."},
      &values.audit_retention, {0, 0, INT_MAX}, PGC_SIGHUP, GUC_UNIT_MIN);
}

// One pointer of the process, found by name from both shared objects.
void*& published_settings() { return *find_rendezvous_variable("pg_keypool.settings"); }

}  // namespace

namespace detail {
constinit const Settings* current_settings = &values;
}

void define_settings() {
  define_root_key();
  define_sizes();
  define_picking();
  define_worker();
  define_requests();
  define_budgets();
  define_alerts();
  define_secrecy();
  define_identity();
  define_audit();
  MarkGUCPrefixReserved("keypool");
  published_settings() = &values;
}

void attach_settings() {
  detail::current_settings = static_cast<const Settings*>(published_settings());
}

}  // namespace keypool::pg
