// The steps of changing a key that is stored: locking its row, a new secret in place, and the end
// of one. What rotate_key, revoke_key, the forgetting of owners, expiry and trace keys share.
//
// Each runs as the tables' owner (pg::ActAs around the Session) and takes effect, for every
// session, at COMMIT. They throw core::Error with the key's id, and PgError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/key_write.hpp"
#include "pg/spi.hpp"

namespace keypool::api {

// What a change of the secret must know of the row, which is locked until the transaction ends.
struct LockedKey {
  std::string provider;
  std::string owner_kind;
  std::string owner;
  bool revoked;
};

// kUndefinedKey when there is no such key.
LockedKey lock_key(pg::Session& session, std::int64_t id);

// Puts a sealed secret in the place of the one there is, whose health and cooldown go with it.
// kDuplicateKey when another session has just stored it for the same owner.
void replace_secret(pg::Session& session, std::int64_t id, const SealedSecret& sealed);

// What somebody gives as the reason, as it is kept: without a key that was pasted into it, and of
// bounded length, so that nobody can fill a table or a session's time with it.
std::optional<std::string> readable_reason(std::optional<std::string_view> given);

// Takes the key out of use for good: ciphertext and fingerprint go, the row stays for joins.
void destroy_secret(pg::Session& session, std::int64_t id, std::optional<std::string_view> reason);

// Instead, of one that is: what was wanted is the case, and the first reason is the true one.
void note_revoked_already(std::int64_t id);

}  // namespace keypool::api
