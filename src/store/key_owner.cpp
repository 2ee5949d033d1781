#include "store/key_owner.hpp"

#include <algorithm>

#include "pg/lwlock.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/loader.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

std::optional<KeyOwner> in_pool(const core::Database& database, std::int64_t key_id) {
  const pg::SharedGuard guard(pool_lock());
  core::Pool& all = pool();
  const std::uint32_t slot = all.find_slot(database.oid.load(std::memory_order_relaxed), key_id);
  if (slot == core::kNone) return std::nullopt;
  const core::Group& group = all.group(all.slot(slot).group);
  return KeyOwner(core::name(group.kind), group.owner_view());
}

// The words that live for ever.
std::string_view known_source(std::string_view text) {
  for (const auto kind : {core::OwnerKind::kUser, core::OwnerKind::kOrganization}) {
    if (text == core::name(kind)) return core::name(kind);
  }
  return core::name(core::OwnerKind::kSystem);
}

std::optional<KeyOwner> in_table(std::int64_t key_id) {
  const pg::ActAs role(catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows =
      session.read("SELECT key_source, owner FROM keypool.api_keys WHERE id = $1", key_id);
  if (rows.empty()) return std::nullopt;
  return KeyOwner(known_source(rows.get<std::string_view>(0, 0)), rows.get<std::string_view>(0, 1));
}

}  // namespace

KeyOwner::KeyOwner(std::string_view source, std::string_view owner)
    : source_(source), size_(static_cast<std::uint8_t>(std::min(owner.size(), text_.size()))) {
  std::copy_n(owner.begin(), size_, text_.begin());
}

std::optional<std::string_view> KeyOwner::if_of(core::OwnerKind kind) const noexcept {
  if (source_ != core::name(kind)) return std::nullopt;
  return std::string_view(text_.data(), size_);
}

std::optional<KeyOwner> key_owner(core::Database& database, std::int64_t key_id) {
  if (const auto owner = in_pool(database, key_id)) return owner;
  // A full pool is no reason to lose a request.
  load_key_if_room(database, key_id);
  if (const auto owner = in_pool(database, key_id)) return owner;
  return in_table(key_id);
}

}  // namespace keypool::store
