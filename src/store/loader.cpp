#include "store/loader.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/publish.hpp"
#include "pg/error_map.hpp"
#include "pg/lwlock.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/rows.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "catalog/pg_proc_d.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
}

namespace keypool::store {

namespace {

// Memory of one load, freed whole.
class LoadMemory {
 public:
  LoadMemory()
      : context_(pg::call([] {
          return AllocSetContextCreate(CurrentMemoryContext, "pg_keypool load",
                                       ALLOCSET_DEFAULT_SIZES);
        })) {}
  LoadMemory(const LoadMemory&) = delete;
  LoadMemory& operator=(const LoadMemory&) = delete;
  ~LoadMemory() { MemoryContextDelete(context_); }
  MemoryContext context() const { return context_; }

 private:
  MemoryContext context_;
};

// Everything that is committed now and nothing of this transaction's own: before its first command
// a transaction has inserted nothing and deleted nothing.
Snapshot committed_snapshot() {
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  snapshot->curcid = FirstCommandId;
  return snapshot;
}

template <typename Row>
struct Rows {
  Row* rows;
  std::size_t count;
  std::size_t capacity;

  Row& add() {
    if (count == capacity) {
      capacity = capacity == 0 ? 16 : capacity * 2;
      const std::size_t bytes = capacity * sizeof(Row);
      rows = static_cast<Row*>(rows == nullptr ? MemoryContextAllocHuge(CurrentMemoryContext, bytes)
                                               : repalloc_huge(rows, bytes));
    }
    return rows[count++];
  }
};

// Calls each(tuple) for all tuples that the index finds (InvalidOid: for all of the table).
template <typename Each>
void scan(Oid table, Oid index, int keys, ScanKey key, Snapshot snapshot, Each each) {
  Relation relation = table_open(table, AccessShareLock);
  SysScanDesc scan = systable_beginscan(relation, index, index != InvalidOid, snapshot, keys, key);
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));) {
    each(Tuple(tuple, RelationGetDescr(relation)));
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
}

void read_state(const Catalog& catalog, Snapshot snapshot, core::Slot& slot) {
  ScanKeyData key;
  ScanKeyInit(&key, key_state_column::kKeyId, BTEqualStrategyNumber, F_INT8EQ,
              Int64GetDatum(slot.config.key_id));
  scan(catalog.key_state, catalog.key_state_pkey, 1, &key, snapshot,
       [&slot](const Tuple& tuple) { restore_state(tuple, slot); });
}

struct Found {
  Rows<core::ProviderRow> providers;
  Rows<core::KeyRow> keys;
};

Found read_mirrored(const Catalog& catalog) {
  Found found = {};
  Snapshot snapshot = committed_snapshot();
  scan(catalog.providers, InvalidOid, 0, nullptr, snapshot,
       [&](const Tuple& tuple) { found.providers.add() = provider_row(tuple); });
  scan(catalog.api_keys, catalog.api_keys_mirrored, 0, nullptr, snapshot,
       [&](const Tuple& tuple) { found.keys.add() = key_row(tuple); });
  for (std::size_t i = 0; i < found.keys.count; ++i) {
    read_state(catalog, snapshot, found.keys.rows[i].slot);
  }
  UnregisterSnapshot(snapshot);
  return found;
}

Found read_user(const Catalog& catalog, std::string_view provider, std::string_view user) {
  Found found = {};
  Snapshot snapshot = committed_snapshot();
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], api_key_column::kUserId, BTEqualStrategyNumber, F_TEXTEQ,
              PointerGetDatum(cstring_to_text_with_len(user.data(), user.size())));
  ScanKeyInit(&keys[1], api_key_column::kProvider, BTEqualStrategyNumber, F_TEXTEQ,
              PointerGetDatum(cstring_to_text_with_len(provider.data(), provider.size())));
  scan(catalog.api_keys, catalog.api_keys_user, 2, keys, snapshot,
       [&](const Tuple& tuple) { found.keys.add() = key_row(tuple); });
  std::sort(found.keys.rows, found.keys.rows + found.keys.count,
            [](const core::KeyRow& a, const core::KeyRow& b) {
              return a.slot.config.key_id < b.slot.config.key_id;
            });
  for (std::size_t i = 0; i < found.keys.count; ++i) {
    read_state(catalog, snapshot, found.keys.rows[i].slot);
  }
  UnregisterSnapshot(snapshot);
  return found;
}

// Whose key that is, as it is committed.
struct Whereabouts {
  bool exists;
  bool revoked;
  std::string_view provider;
  std::string_view user;  // empty: not a user's
};

Whereabouts find_key(const Catalog& catalog, std::int64_t key_id) {
  namespace column = api_key_column;
  Whereabouts found = {};
  ScanKeyData key;
  ScanKeyInit(&key, column::kId, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key_id));
  Snapshot snapshot = committed_snapshot();
  scan(catalog.api_keys, catalog.api_keys_pkey, 1, &key, snapshot, [&found](const Tuple& tuple) {
    found = {true, !tuple.is_null(column::kRevokedAt), tuple.text(column::kProvider),
             tuple.text(column::kUserId)};
  });
  UnregisterSnapshot(snapshot);
  return found;
}

core::Error pool_is_full(std::string message) {
  return {core::ErrorCode::kConfigurationLimit, std::move(message),
          "It has " + std::to_string(pool().capacity()) +
              " slots for the system and organization keys of all databases and for the users' "
              "keys in use.",
          "Raise keypool.max_keys and restart the server."};
}

// More keys than the pool has room for must not take those down that do fit: the newest wait.
std::span<core::KeyRow> oldest(std::span<core::KeyRow> keys, std::size_t most,
                               std::span<std::int64_t> ids) {
  if (keys.size() <= most) return keys;
  if (most == 0) return {};
  for (std::size_t i = 0; i < keys.size(); ++i) ids[i] = keys[i].slot.config.key_id;
  std::nth_element(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(most - 1), ids.end());
  const auto end = std::remove_if(keys.begin(), keys.end(), [&](const core::KeyRow& row) {
    return row.slot.config.key_id > ids[most - 1];
  });
  return {keys.begin(), end};
}

// Publishes what was read, and answers how many keys had to be left out.
std::size_t publish(core::Database& database, const Found& found, std::uint64_t epoch) {
  std::vector<std::int64_t> ids(found.keys.count);  // before the lock: nothing allocates under it
  const pg::ExclusiveGuard guard(pool_lock());
  if (database.loaded >= epoch) return 0;  // somebody loaded the same or more meanwhile
  core::Publisher publisher(pool(), now());
  const std::span<core::KeyRow> all = {found.keys.rows, found.keys.count};
  const auto keys = oldest(all, publisher.room_for(database.oid.load()), ids);
  if (!publisher.mirror(database, {found.providers.rows, found.providers.count}, keys, epoch)) {
    throw pool_is_full("too many providers for the key pool");
  }
  return all.size() - keys.size();
}

}  // namespace

void ensure_mirrored(core::Database& database) {
  const std::uint64_t epoch = database.epochs.mirrored.load();
  {
    const pg::SharedGuard guard(pool_lock());
    if (database.loaded == epoch) return;
  }
  const Catalog& relations = catalog();
  const LoadMemory memory;
  Found found = pg::call([&relations, &memory] {
    MemoryContextSwitchTo(memory.context());
    return read_mirrored(relations);
  });
  const std::size_t left_out = publish(database, found, epoch);
  if (left_out != 0) {
    pg::report(LOG, pool_is_full("the key pool is full: the newest " + std::to_string(left_out) +
                                 " system and organization keys of this database are left out"));
  }
}

void require_room() {
  const pg::SharedGuard guard(pool_lock());
  if (pool().mirrored_slots() >= pool().capacity()) throw pool_is_full("the key pool is full");
}

void load_user(core::Database& database, std::uint32_t provider, std::string_view user) {
  const std::uint64_t epoch = database.epochs.users[core::Pool::shard_of(user)].load();
  const Catalog& relations = catalog();
  const LoadMemory memory;
  core::ProviderConfig config;
  {
    const pg::SharedGuard guard(pool_lock());
    config = pool().provider(provider).config;
  }
  Found found = pg::call([&] {
    MemoryContextSwitchTo(memory.context());
    return read_user(relations, config.name_view(), user);
  });
  const pg::ExclusiveGuard guard(pool_lock());
  core::Pool& all = pool();
  // The provider may have gone, and its place been taken, while nothing was locked.
  const bool same = all.provider(provider).config.database == config.database &&
                    all.provider(provider).config.name_view() == config.name_view();
  if (!same) return;
  const core::GroupKey key = {database.oid.load(), provider, core::OwnerKind::kUser, user};
  const std::uint32_t present = all.find_group(key);
  if (present != core::kNone && all.group(present).epoch > epoch) return;
  core::Publisher publisher(all, now());
  if (!publisher.user(key, {found.keys.rows, found.keys.count}, epoch)) {
    throw pool_is_full("the key pool is full");
  }
}

KeyPresence load_key(core::Database& database, std::int64_t key_id) {
  ensure_mirrored(database);
  const Catalog& relations = catalog();
  const LoadMemory memory;
  const Whereabouts key = pg::call([&] {
    MemoryContextSwitchTo(memory.context());
    return find_key(relations, key_id);
  });
  if (!key.exists) return KeyPresence::kMissing;
  if (key.revoked) return KeyPresence::kRevoked;
  if (key.user.empty()) return KeyPresence::kLoaded;
  std::uint32_t provider = core::kNone;
  {
    const pg::SharedGuard guard(pool_lock());
    provider = pool().find_provider(database.oid.load(), key.provider);
  }
  if (provider != core::kNone) load_user(database, provider, key.user);
  return KeyPresence::kLoaded;
}

void load_key_if_room(core::Database& database, std::int64_t key_id) {
  try {
    load_key(database, key_id);
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kConfigurationLimit) throw;
  }
}

}  // namespace keypool::store
