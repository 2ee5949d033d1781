// Which keys are to be checked, as the tables say it now.
//
// Each function needs a transaction and acts as the tables' owner; throws PgError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/time.hpp"
#include "worker/check_plan.hpp"

namespace keypool::worker {

// A key with all that its check takes; the secret is still sealed.
struct WatchedKey {
  std::int64_t id = 0;
  std::string provider;
  std::string owner_kind;
  std::string owner;
  std::vector<std::byte> envelope;
  std::string version;  // another one means another secret
  std::string out;      // revoked, disabled or expired; empty: in use
  CheckTarget target;
};

// Keys for the clock: those that the pool mirrors and the users' keys that are in it now, if their
// provider is to be watched.
struct DueKeys {
  std::int64_t watched = 0;
  std::vector<std::int64_t> due;
};
// A key is due an interval after its last check, counted with some grace since a round takes its
// time. Without quota or in a blocked region nothing changes quickly: then it takes twelve. One
// that cools is left alone until its deadline.
DueKeys due_keys(core::Micros interval);

// These keys; those that do not exist are left out.
std::vector<WatchedKey> read_keys(const std::vector<std::int64_t>& ids);

// The next keys in use, by id, of one provider or of all.
std::vector<WatchedKey> read_keys_after(std::int64_t id, const std::optional<std::string>& provider,
                                        std::size_t most);

}  // namespace keypool::worker
