// What add_key, rotate_key and the imports share: sealing a secret, finding its twin, inserting.
//
// A secret leaves this process only sealed: SQL gets the envelope, the fingerprint and the hint as
// bound parameters. Functions that take a Session run as the tables' owner (pg::ActAs around it).
// They throw core::Error with the key's id and masked hint, and PgError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/provider_names.hpp"
#include "core/cipher.hpp"
#include "core/envelope.hpp"
#include "core/key_fields.hpp"
#include "pg/spi.hpp"

namespace keypool::api {

// 25006 in a read-only transaction, as on a standby; `function` is for the message.
void require_writable(const char* function);

struct SealedSecret {
  std::vector<std::byte> envelope;
  core::Digest fingerprint;
  std::string hint;
};

SealedSecret seal(const core::KeyIdentity& identity, std::string_view secret);

// A key that is not revoked, as committed now or written by this transaction.
struct StoredKey {
  std::int64_t id;
  std::string name;
  std::string hint;
};

std::optional<StoredKey> find_twin(pg::Session& session, std::string_view provider,
                                   const core::KeyOwner& owner, const core::Digest& fingerprint);

// 23505: the owner has this secret already.
[[noreturn]] void refuse_twin(const StoredKey& twin);

// Adds a key of checked format; the fields are checked here. Of sessions that add the same secret
// or name at once, one wins; the others are refused with 23505, or, where the name was left to us,
// take the next one. Returns id and name.
StoredKey insert_key(const core::KeyFields& fields, const ProviderFormat& provider,
                     std::string_view secret);

}  // namespace keypool::api
