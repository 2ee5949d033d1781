#include "store/keyring.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "pg/guard.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/core_dumps.hpp"
#include "store/root_key.hpp"
#include "store/tuple.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
}

namespace keypool::store {

namespace {

struct State {
  std::uint64_t generation;
  core::Keyring ring;
};

constinit State* state = nullptr;

// The ring may hold keys whose rows this transaction has written and may still roll back: the
// deepest (sub)transaction they can belong to, counted from 1. 0: all of them are committed.
constinit int unsettled_level = 0;

void forget() noexcept {
  delete state;
  state = nullptr;
  unsettled_level = 0;
}

// A key whose row was rolled back must not seal anything: nobody could open it again.
void at_transaction_event(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PARALLEL_COMMIT:
      unsettled_level = 0;
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PARALLEL_ABORT:
    case XACT_EVENT_PREPARE:
      if (unsettled_level != 0) forget();
      break;
    default:
      break;
  }
}

void at_subtransaction_event(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  const int level = GetCurrentTransactionNestLevel();
  if (unsettled_level < level) return;
  if (event == SUBXACT_EVENT_ABORT_SUB) forget();
  if (event == SUBXACT_EVENT_COMMIT_SUB) unsettled_level = level - 1;
}

void register_callbacks() {
  static constinit bool registered = false;
  if (registered) return;
  pg::call([] {
    RegisterXactCallback(at_transaction_event, nullptr);
    RegisterSubXactCallback(at_subtransaction_event, nullptr);
  });
  registered = true;
}

struct StoredKey {
  std::uint32_t number;
  std::string_view purpose;
  std::span<const std::byte> wrapped;
  std::span<const std::byte> root_id;
};

// What the table has: what is committed, and what this transaction has written itself.
pg::Rows read_rows(pg::Session& session) {
  const pg::LatestSnapshot latest;
  return session.read("SELECT number, purpose, wrapped, root_id FROM keypool.data_keys");
}

StoredKey stored_key(const pg::Rows& rows, std::size_t row) {
  return {static_cast<std::uint32_t>(rows.get<std::int32_t>(row, 0)),
          rows.get<std::string_view>(row, 1), rows.get<pg::Bytes>(row, 2).data,
          rows.get<pg::Bytes>(row, 3).data};
}

// Takes in what the table has.
void load(core::Keyring& ring) {
  if (TransactionIdIsValid(GetTopTransactionIdIfAny())) {
    unsettled_level = std::max(unsettled_level, GetCurrentTransactionNestLevel());
  }
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::Rows rows = read_rows(session);
  bool looked_again = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const StoredKey key = stored_key(rows, i);
    // The root key was rotated since this process read it.
    if (!ring.knows_root(key.root_id) && !looked_again) {
      ring.set_roots(read_root_keys());
      looked_again = true;
    }
    ring.add(key.number, key.purpose, key.wrapped, key.root_id);
  }
}

State& current_state() {
  const std::uint64_t generation = catalog_generation();
  if (state != nullptr && state->generation != generation) forget();
  if (state == nullptr) {
    register_callbacks();
    keep_out_of_core_dumps();
    auto fresh = std::make_unique<State>(generation, core::Keyring(read_root_keys()));
    load(fresh->ring);
    state = fresh.release();
  }
  return *state;
}

void insert_key(pg::Session& session, core::Keyring& ring, std::int32_t number,
                std::string_view purpose) {
  core::Secret key(core::kKeySize);
  core::random_bytes(key.bytes());
  const auto wrapped = ring.wrap(static_cast<std::uint32_t>(number), purpose, key.bytes());
  session.run(
      "INSERT INTO keypool.data_keys (number, purpose, wrapped, root_id)"
      " VALUES ($1, $2, $3, $4)",
      number, purpose, pg::Bytes{wrapped}, pg::Bytes{ring.root_id()});
}

std::int32_t next_number(pg::Session& session) {
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read("SELECT coalesce(max(number), 0) + 1 FROM keypool.data_keys");
  return rows.get<std::int32_t>(0, 0);
}

// Until this transaction ends nobody else adds or rewraps a key. Read anew under the lock: a key
// that is wrapped with a root key of yesterday would be lost with that.
void begin_to_add(pg::Session& session, core::Keyring& ring) {
  session.run("LOCK TABLE keypool.data_keys IN SHARE ROW EXCLUSIVE MODE");
  ring.set_roots(read_root_keys());
  load(ring);
}

void make_first_keys(core::Keyring& ring) {
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  // Of two sessions that store the first key of a database, the second waits here until the first
  // has committed, and then finds its keys, at any isolation level.
  begin_to_add(session, ring);
  if (ring.current() != 0) return;
  // With data keys there, a fingerprint key that is missing was lost: a new one would only hide
  // that, and no stored key would be recognised. fingerprint() says so.
  std::int32_t number = next_number(session);
  if (!ring.has_fingerprint_key()) insert_key(session, ring, number++, core::kFingerprintPurpose);
  insert_key(session, ring, number, core::kDataPurpose);
  load(ring);
}

// The number of the newest data key, as committed now or written by this transaction; 0: there is
// none. Straight from the table, since every write of a secret asks.
std::uint32_t newest_data_key() {
  const Oid table = catalog().data_keys;
  return pg::call([table] {
    std::int32_t newest = 0;
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    Relation relation = table_open(table, AccessShareLock);
    SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot, 0, nullptr);
    for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));) {
      const Tuple tuple(row, RelationGetDescr(relation));
      if (tuple.text(data_key_column::kPurpose) != core::kDataPurpose) continue;
      newest = std::max(newest, tuple.int4(data_key_column::kNumber));
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    UnregisterSnapshot(snapshot);
    return static_cast<std::uint32_t>(newest);
  });
}

// For an envelope whose data key is gone: this process took it before its row was sealed anew, and
// comes to open it only now.
std::size_t open_present(const core::EnvelopeView& old, const core::KeyIdentity& identity,
                         std::span<std::byte> out) {
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows = session.read(
      "SELECT envelope FROM keypool.api_keys WHERE id = $1 AND provider = $2 AND key_source = $3"
      " AND owner = $4 AND revoked_at IS NULL",
      identity.key_id, identity.provider, identity.owner_kind, identity.owner);
  if (rows.empty()) keyring().data_key(old.key_number);  // throws: it is missing
  const core::EnvelopeView view =
      core::parse_envelope(rows.get<pg::Bytes>(0, 0).data, identity.key_id);
  core::Aead& data_key = keyring(view.key_number).data_key(view.key_number);
  if (view.secret_size() != old.secret_size())
    throw core::Error(core::ErrorCode::kNotReady,
                      "key " + std::to_string(identity.key_id) + " has just been replaced", {},
                      "Pick again.");
  return core::open_key(data_key, view, identity, out);
}

}  // namespace

core::Keyring& keyring(std::uint32_t data_key) {
  core::Keyring& ring = current_state().ring;
  const bool lacks = data_key == 0 ? ring.current() == 0 : !ring.has(data_key);
  if (lacks) load(ring);
  return ring;
}

core::Keyring& keyring_for_writing() {
  // First the lock, then the look: whoever retires a data key sees one of the two.
  const Oid table = catalog().data_keys;
  pg::call([table] { LockRelationOid(table, RowShareLock); });
  const std::uint32_t newest = newest_data_key();
  core::Keyring* ring = &keyring();
  if (ring->current() > newest) {
    forget();  // somebody has deleted rows
    ring = &keyring();
  }
  if (ring->current() < newest) load(*ring);
  if (ring->current() == 0) make_first_keys(*ring);
  return *ring;
}

core::Keyring& keyring_for_fingerprints() {
  core::Keyring& ring = keyring();
  if (ring.current() == 0) make_first_keys(ring);
  return ring;
}

std::uint32_t add_data_key() {
  core::Keyring& ring = keyring_for_fingerprints();
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  begin_to_add(session, ring);
  insert_key(session, ring, next_number(session), core::kDataPurpose);
  load(ring);
  return ring.current();
}

Rewrapped rewrap_data_keys(std::vector<core::Secret> roots) {
  core::Keyring ring(std::move(roots));
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  session.run("LOCK TABLE keypool.data_keys IN SHARE ROW EXCLUSIVE MODE");
  const pg::Rows rows = read_rows(session);
  Rewrapped done = {rows.size(), 0};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const StoredKey key = stored_key(rows, i);
    if (std::ranges::equal(key.root_id, ring.root_id())) continue;
    const auto wrapped = ring.rewrap(key.number, key.purpose, key.wrapped, key.root_id);
    session.run("UPDATE keypool.data_keys SET wrapped = $2, root_id = $3 WHERE number = $1",
                static_cast<std::int32_t>(key.number), pg::Bytes{wrapped},
                pg::Bytes{ring.root_id()});
    ++done.rewrapped;
  }
  return done;
}

std::size_t open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity,
                        std::span<std::byte> out) {
  const core::EnvelopeView view = core::parse_envelope(envelope, identity.key_id);
  core::Keyring& ring = keyring(view.key_number);
  if (!ring.has(view.key_number)) [[unlikely]]
    return open_present(view, identity, out);
  return core::open_key(ring.data_key(view.key_number), view, identity, out);
}

core::Secret open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity) {
  core::Secret secret(core::parse_envelope(envelope, identity.key_id).secret_size());
  open_secret(envelope, identity, secret.bytes());
  return secret;
}

}  // namespace keypool::store
