#include "worker/root_keys.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/keyring.hpp"
#include "pg/guard.hpp"
#include "pg/spi.hpp"
#include "store/keyring.hpp"
#include "store/reencryption_board.hpp"
#include "store/root_key.hpp"
#include "worker/attempt.hpp"

#include "pg/postgres.hpp"

namespace keypool::worker {

namespace {

bool any_wrapped_keys() {
  pg::Session session;
  return session.run("SELECT EXISTS (SELECT FROM keypool.data_keys)").get<bool>(0, 0);
}

void log_rewrapped(std::size_t keys, const std::string& root) {
  const char* id = root.c_str();
  const auto count = static_cast<long>(keys);
  pg::call([=] { ereport(LOG, (errmsg("rewrapped %ld keys with root key %s", count, id))); });
}

}  // namespace

core::Micros RootKeys::next_due(core::Micros now) const noexcept {
  const bool changed = !looked_ || store::root_keys_changes() != changes_;
  return changed || (!any_ && database_.epochs.of_keys() != epoch_) ? now : retry_at_;
}

bool RootKeys::run(core::Micros now) {
  changes_ = store::root_keys_changes();
  epoch_ = database_.epochs.of_keys();
  looked_ = true;
  retry_at_ = core::kNever;
  std::string newest;
  store::Rewrapped done = {};
  const bool ok = attempt([&] {
    any_ = any_wrapped_keys();
    if (!any_) return;
    std::vector<core::Secret> roots = store::read_root_keys();
    newest = core::short_root_id(core::root_id_of(roots.front()));
    done = store::rewrap_data_keys(std::move(roots));
  });
  store::note_root_key(newest, !ok);
  if (!ok) {
    retry_at_ = now + retry_pause_;
    retry_pause_ = std::min(retry_pause_ * 2, kLongestPause);
    return false;
  }
  retry_pause_ = kPause;
  if (done.rewrapped != 0) log_rewrapped(done.rewrapped, newest);
  return done.rewrapped != 0;
}

}  // namespace keypool::worker
