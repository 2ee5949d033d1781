// Who made a logged request, as far as it is known: the key that served it, whose key that is, and
// whether the request is anonymous on purpose.
//
// The key is the one whose id is given, else the lease's, else the one with the secret given. None
// of these being known is no reason to lose a request: it is logged with what there is, and a
// WARNING says what is missing. Needs a transaction; throws PgError.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "api/request_arguments.hpp"
#include "core/cipher.hpp"
#include "core/pool.hpp"
#include "store/key_owner.hpp"

namespace keypool::api {

class RequestIdentity {
 public:
  RequestIdentity(core::Database& database, const RequestArguments& request);
  RequestIdentity(const RequestIdentity&) = delete;
  RequestIdentity& operator=(const RequestIdentity&) = delete;

  std::optional<std::int64_t> key_id() const noexcept { return key_id_; }
  // Of a secret that is not stored (yet). Looks at this object, as the texts do.
  std::optional<std::span<const std::byte>> fingerprint() const noexcept;
  std::optional<std::string_view> key_source() const noexcept;
  // As given; else the owner of the key.
  std::optional<std::string_view> user() const noexcept;
  std::optional<std::string_view> organization() const noexcept;
  bool is_anonymous() const noexcept { return is_anonymous_; }

 private:
  void find_key(core::Database& database);
  void look_up(core::Database& database, std::string_view secret);

  const RequestArguments& request_;
  std::optional<std::int64_t> key_id_;
  std::optional<core::Digest> fingerprint_;
  std::optional<store::KeyOwner> owner_;
  bool is_anonymous_;
};

}  // namespace keypool::api
