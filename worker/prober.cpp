#include "worker/prober.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "core/envelope.hpp"
#include "core/error.hpp"
#include "pg/error_map.hpp"
#include "pg/settings.hpp"
#include "pg/transaction.hpp"
#include "store/audit.hpp"
#include "store/keyring.hpp"
#include "worker/check_record.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

constexpr std::size_t kPage = 1000;
// A round reads on while less than this is open or unread by its asker: so a million keys pass
// through little memory, and a slow reader slows its own round only.
constexpr std::size_t kWindow = 4096;
// Results are recorded together: when so many have come, so long after the first, or when there is
// nothing more to wait for.
constexpr std::size_t kBatch = 1000;
constexpr core::Micros kBatchWait = 50 * core::kMillisecond;

constexpr std::uint64_t kClock = 0;  // the clock's round, which never ends

// Whether this says the same of everybody on the way to that host.
bool never_got_there(const HttpAnswer& answer) {
  return answer.status == 0 && !answer.failure.empty() &&
         answer.failure != transport_failure::kLocal;
}

core::Micros check_interval() { return pg::settings().health_check_interval * core::kMillisecond; }

core::KeyIdentity identity_of(const WatchedKey& key) {
  return {
      .key_id = key.id, .provider = key.provider, .owner_kind = key.owner_kind, .owner = key.owner};
}

}  // namespace

struct Prober::Round {
  std::uint64_t number = 0;
  std::unique_ptr<store::CheckReplies> replies;  // null: the clock asks
  std::deque<std::int64_t> ids;                  // still to be read, if they are known
  std::int64_t after_id = 0;                     // else: how far the table was read
  bool has_more = false;
  std::size_t open = 0;  // checks in line, under way or unrecorded

  bool by_id() const { return !replies || replies->question().scope == store::CheckScope::kKey; }
};

struct Prober::Check {
  std::uint64_t round;
  WatchedKey key;
  std::string url;
  core::Secret secret;      // from its opening until its answer
  core::Secret credential;  // from its opening until it is sent
  bool arrived = false;     // at the host
};

Prober::Prober() : line_(transport_.places()) { rounds_[kClock]; }

Prober::~Prober() = default;

bool Prober::wants_page(const Round& round) const noexcept {
  const std::size_t unread = round.replies ? round.replies->backlog() : 0;
  return round.has_more && round.open + unread < kWindow;
}

core::Micros Prober::next_due(core::Micros now) const {
  for (const auto& [number, round] : rounds_) {
    if (wants_page(round)) return now;
  }
  const core::Micros interval = check_interval();
  const core::Micros round_at = interval == 0 ? core::kNever : last_clock_round_ + interval;
  return std::min(record_at_, round_at);
}

void Prober::advance(core::Micros now) {
  take_questions();
  begin_clock_round(now);
  take_answers(now);
  for (auto& [number, round] : rounds_) {
    if (wants_page(round)) read_page(round, now);
  }
  start_checks(now);
  record(now);
  answer_rounds();
  figures_.checks_in_flight = static_cast<std::int32_t>(transport_.in_flight());
  store::note_figures(figures_);
}

void Prober::take_questions() {
  while (const auto request = store::take_check()) {
    auto replies = store::CheckReplies::open(request->segment);
    if (!replies) continue;
    const std::uint64_t number = ++last_number_;
    Round& round = rounds_[number];
    round.number = number;
    round.has_more = true;
    const store::CheckQuestion& question = replies->question();
    if (question.scope == store::CheckScope::kKey) round.ids.push_back(question.key_id);
    round.replies = std::move(replies);
  }
}

void Prober::begin_clock_round(core::Micros now) {
  const core::Micros interval = check_interval();
  if (interval == 0 || now < last_clock_round_ + interval) return;
  last_clock_round_ = now;
  DueKeys keys;
  pg::run_transaction([&] { keys = due_keys(interval); });
  figures_.keys_watched = keys.watched;
  Round& round = rounds_[kClock];
  for (const std::int64_t id : keys.due) {
    if (on_the_clock_.insert(id).second) round.ids.push_back(id);
  }
  round.has_more = !round.ids.empty();
}

void Prober::read_page(Round& round, core::Micros now) {
  std::vector<WatchedKey> keys;
  std::vector<std::int64_t> ids;
  const bool by_id = round.by_id();
  for (; by_id && !round.ids.empty() && ids.size() < kPage; round.ids.pop_front()) {
    ids.push_back(round.ids.front());
  }
  const auto problem = pg::run_transaction([&] {
    if (by_id) {
      keys = read_keys(ids);
    } else {
      const store::CheckQuestion& question = round.replies->question();
      std::optional<std::string> provider;
      if (question.scope == store::CheckScope::kProvider) provider = question.provider.data();
      keys = read_keys_after(round.after_id, provider, kPage);
    }
  });
  round.has_more = !problem && (by_id ? !round.ids.empty() : keys.size() == kPage);
  if (!keys.empty()) round.after_id = keys.back().id;
  if (!round.replies) {
    // What was deleted meanwhile, or could not be read, leaves the round.
    for (const WatchedKey& key : keys) std::erase(ids, key.id);
    for (const std::int64_t id : ids) on_the_clock_.erase(id);
  } else if (problem) {
    round.replies->end_with_failure(problem->message);
    return;
  } else if (by_id && keys.empty()) {
    round.replies->end_without_key();
    return;
  }
  for (WatchedKey& key : keys) enlist(round, std::move(key), now);
}

// Puts a key in line, or answers for it at once when there is nothing to ask.
void Prober::enlist(Round& round, WatchedKey key, core::Micros now) {
  CheckPlan plan = plan_check(key.target);
  if (key.out.empty() && !plan.url.empty()) {
    const std::uint64_t ticket = ++last_number_;
    line_.add(plan.url, ticket, round.replies != nullptr);
    ++round.open;
    checks_.emplace(ticket, Check{round.number, std::move(key), std::move(plan.url), {}, {}});
    return;
  }
  if (!round.replies) {
    on_the_clock_.erase(key.id);
    return;
  }
  const bool in_use = key.out.empty();
  round.replies->add(not_asked(key.id, in_use ? "not_checkable" : key.out,
                               in_use ? std::move(plan.objection) : "", now));
}

void Prober::start_checks(core::Micros now) {
  // Again, as those that cannot be opened make way for the next at once.
  for (auto tickets = line_.take(); !tickets.empty(); tickets = line_.take()) start(tickets, now);
}

// Opens the secrets, and sends them off when the transaction is over.
void Prober::start(const std::vector<std::uint64_t>& tickets, core::Micros now) {
  std::unordered_map<std::uint64_t, core::Error> failures;
  const auto problem = pg::run_transaction([&] {
    for (const std::uint64_t ticket : tickets) {
      Check& check = checks_.at(ticket);
      try {
        check.secret = store::open_secret(check.key.envelope, identity_of(check.key));
        store::note_check(check.key.id, check.key.provider, 0);
        check.credential = credential_line(check.key.target.auth_style, check.secret.view());
      } catch (const core::Error& error) {
        store::note_check(check.key.id, check.key.provider, pg::sqlstate(error.code()));
        failures.emplace(ticket, error);
      }
    }
  });
  for (const std::uint64_t ticket : tickets) {
    Check& check = checks_.at(ticket);
    if (problem)
      failures.emplace(ticket, core::Error(core::ErrorCode::kInternal, problem->message));
    const auto failure = failures.find(ticket);
    if (failure != failures.end()) {
      line_.finished(check.url, false);
      conclude(ticket, unopened(check.key.id, failure->second, now), now);
      continue;
    }
    transport_.send(ticket, {.url = check.url,
                             .headers = further_headers(check.key.target.auth_style),
                             .credential = std::move(check.credential),
                             .timeout_ms = pg::settings().request_timeout});
  }
}

void Prober::take_answers(core::Micros now) {
  const Transport::Progress progress = transport_.advance();
  for (const std::uint64_t ticket : progress.connected) {
    Check& check = checks_.at(ticket);
    // Told again when a kept connection turned out to be closed.
    if (!std::exchange(check.arrived, true)) line_.arrived(check.url);
  }
  for (const HttpAnswer& answer : progress.answers) {
    const Check& check = checks_.at(answer.ticket);
    const std::string url = check.url;
    if (never_got_there(answer) && !line_.was_reached(url)) {
      for (const std::uint64_t waiting : line_.abandon(url)) {
        conclude(waiting, judge_check(checks_.at(waiting).key.id, answer, {}, now), now);
      }
    }
    line_.finished(url, check.arrived);
    conclude(answer.ticket, judge_check(check.key.id, answer, check.secret.view(), now), now);
  }
}

// The check is over; its outcome waits to be recorded with others.
void Prober::conclude(std::uint64_t ticket, CheckOutcome outcome, core::Micros now) {
  const auto node = checks_.extract(ticket);
  Check& check = node.mapped();
  outcome.version = std::move(check.key.version);
  if (check.round == kClock) on_the_clock_.erase(check.key.id);
  ++figures_.checks_done;
  if (outcome.verdict.failure != core::FailureClass::kNone) ++figures_.checks_failed;
  outcome.round = check.round;
  outcomes_.push_back(std::move(outcome));
  record_at_ = std::min(record_at_, now + kBatchWait);
}

void Prober::record(core::Micros now) {
  if (outcomes_.empty()) return;
  if (outcomes_.size() < kBatch && now < record_at_ && !checks_.empty()) return;
  record_outcomes(outcomes_, now);
  for (const CheckOutcome& outcome : outcomes_) {
    const auto round = rounds_.find(outcome.round);
    if (round == rounds_.end()) continue;
    --round->second.open;
    if (round->second.replies) round->second.replies->add(outcome.result);
  }
  outcomes_.clear();
  record_at_ = core::kNever;
}

void Prober::answer_rounds() {
  for (auto entry = rounds_.begin(); entry != rounds_.end();) {
    Round& round = entry->second;
    bool goes_on = true;
    if (round.replies) {
      if (!round.has_more && round.open == 0 && !round.replies->ended()) round.replies->end();
      goes_on = round.replies->pump();
    }
    entry = goes_on ? std::next(entry) : rounds_.erase(entry);
  }
}

}  // namespace keypool::worker
