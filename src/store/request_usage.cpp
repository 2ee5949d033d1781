#include "store/request_usage.hpp"

#include <algorithm>
#include <cstring>

#include "core/answer.hpp"
#include "pg/entry.hpp"
#include "pg/guard.hpp"
#include "pg/settings.hpp"
#include "store/budget_charges.hpp"
#include "store/budget_settlement.hpp"
#include "store/cost_estimate.hpp"
#include "store/report.hpp"
#include "store/request_settlement.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/xact.h"
}

namespace keypool::store {

namespace {

// What is older says nothing of a key's health now, and no window looks so far back.
constexpr core::Micros kFresh = 5 * core::kMinute;

// Of the running transaction; null when it has logged nothing.
core::PendingUsage* pending = nullptr;
// The budgets that its charges were added up for.
std::uint64_t known_budgets = 0;

core::PendingUsage& begin_pending() {
  if (pending == nullptr) {
    known_budgets = current_database().budgets.loaded.load();
    pending = new core::PendingUsage;
  }
  return *pending;
}

// Budgets are charged at COMMIT all the same: their sums are read anew.
void leave_uncounted() {
  begin_pending();
  known_budgets = 0;
}

void forget_pending() noexcept {
  delete pending;
  pending = nullptr;
}

// The statement's time is near enough, and costs nothing.
core::Micros about_now() { return GetCurrentStatementStartTimestamp(); }

bool is_fresh(const LoggedRequest& request, core::Micros at) noexcept {
  return request.created_at > at - kFresh && request.created_at < at + kFresh;
}

core::UsageDelta delta_of(const LoggedRequest& request, int sign) {
  const auto today = static_cast<std::int32_t>(about_now() / core::kDay);
  const bool of_today = request.created_at / core::kDay == today;
  return {.requests = sign,
          .errors = failed(request) ? sign : 0,
          .tokens = sign * request.tokens,
          .cost_nano = sign * request.cost_nano,
          .cost_today_nano = of_today ? sign * request.cost_nano : 0,
          .day = today};
}

core::LoggedOutcome outcome_of(const LoggedRequest& request, core::Micros at) {
  core::LoggedOutcome outcome = {.failed = failed(request)};
  outcome.latency_ms = -1;
  if (!outcome.failed) {
    outcome.latency_ms = static_cast<float>(request.processing_time_ms.value_or(-1));
    return outcome;
  }
  const core::Verdict verdict =
      core::classify({.http_status = request.http_status,
                      .error_type = request.error_type.value_or(request.status),
                      .body = request.error_message,
                      .headers = request.headers,
                      .known_secret = {}},
                     at);
  outcome.failure = verdict.failure;
  outcome.retry_at = verdict.retry_at.value_or(0);
  outcome.for_model = verdict.for_model;
  outcome.model = request.model.empty() ? 0 : core::text_hash(request.model);
  outcome.http_status = static_cast<std::uint16_t>(std::clamp(request.http_status, 0, 999));
  const std::size_t size = std::min(verdict.code.size(), outcome.code.size() - 1);
  std::memcpy(outcome.code.data(), verdict.code.data(), size);
  return outcome;
}

void note_outcome(core::PendingKey& entry, const LoggedRequest& request, core::Micros at) {
  entry.last = outcome_of(request, at);
  entry.has_outcome = true;
  // What is used up for one model alone is left for the others.
  const bool of_model_alone = entry.last.for_model && entry.last.model != 0;
  if (request.headers.empty() || of_model_alone) return;
  entry.told.tell(at, core::read_rate_limits(request.headers, at));
}

core::Tracked tracked(const LoggedRequest& request) {
  return core::tracked({.has_key = request.api_key_id.has_value(),
                        .has_user = request.has_user,
                        .has_fingerprint = request.has_fingerprint,
                        .is_anonymous = request.is_anonymous});
}

// Negative ones are of another system (import_requests): there is no key to look for.
std::int64_t counted_key(const LoggedRequest& request) noexcept {
  return std::max<std::int64_t>(request.api_key_id.value_or(0), 0);
}

void add_difference(const LoggedRequest& request, int sign) {
  if (!pg::settings().count_requests) return leave_uncounted();
  const int level = GetCurrentTransactionNestLevel();
  core::PendingUsage& all = begin_pending();
  all.add(level, counted_key(request), delta_of(request, sign));
  charge_budgets(current_database(), all, level, request, sign);
}

void at_transaction_event(XactEvent event, void*) {
  if (pending == nullptr) return;
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
      pg::barrier([] { prepare_settlement(*pending); });
      announce_settlement();
      break;
    case XACT_EVENT_PRE_PREPARE:
      if (pending->empty()) break;
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("cannot prepare a transaction that logged requests"),
                      errdetail("What it logged is counted by the session that commits it."),
                      errhint("Log requests in a transaction of their own.")));
      break;
    case XACT_EVENT_COMMIT:
      settle_pending(*pending, known_budgets);
      forget_pending();
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      withdraw_settlement();
      forget_pending();
      break;
    default:
      break;
  }
}

void at_subtransaction_event(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (pending == nullptr) return;
  const int level = GetCurrentTransactionNestLevel();
  if (event == SUBXACT_EVENT_COMMIT_SUB) pending->release(level);
  if (event == SUBXACT_EVENT_ABORT_SUB) pending->roll_back(level);
}

}  // namespace

void install_request_usage() {
  RegisterXactCallback(at_transaction_event, nullptr);
  RegisterSubXactCallback(at_subtransaction_event, nullptr);
}

bool failed(const LoggedRequest& request) noexcept {
  return request.error_type.has_value() || request.http_status >= 400 ||
         request.status == "failed" || request.status == "error";
}

void note_change() { begin_pending(); }

void count_request(const LoggedRequest& request) {
  if (!pg::settings().count_requests) return leave_uncounted();
  const core::Micros at = about_now();
  const bool fresh = is_fresh(request, at);
  core::UsageDelta delta = delta_of(request, 1);
  if (fresh) {
    delta.fresh_failures = delta.errors != 0 ? 1 : 0;
    delta.fresh_successes = 1 - delta.fresh_failures;
    if (!request.lease_id) delta.fresh_tokens = request.tokens;
  }
  const int level = GetCurrentTransactionNestLevel();
  core::PendingUsage& all = begin_pending();
  core::PendingKey& entry = all.add(level, counted_key(request), delta);
  ++entry.tracked[static_cast<int>(tracked(request))];
  charge_budgets(current_database(), all, level, request, 1);
  if (fresh && request.is_priced) note_cost(request.provider, request.model, request.cost_nano);
  if (fresh && request.api_key_id) note_outcome(entry, request, at);
  if (request.lease_id) {
    all.settle({level, *request.lease_id, counted_key(request), request.tokens});
  }
}

void note_headers(const LoggedRequest& request) {
  const core::Micros at = about_now();
  if (request.headers.empty() || !request.api_key_id || !is_fresh(request, at)) return;
  if (!pg::settings().count_requests) return;
  const int level = GetCurrentTransactionNestLevel();
  note_outcome(begin_pending().add(level, counted_key(request), {}), request, at);
}

void uncount_request(const LoggedRequest& request) { add_difference(request, -1); }

void recount_request(const LoggedRequest& request) { add_difference(request, 1); }

}  // namespace keypool::store
