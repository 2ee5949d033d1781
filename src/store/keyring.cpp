#include "store/keyring.hpp"

#include <algorithm>
#include <memory>
#include <string_view>

#include "pg/guard.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/core_dumps.hpp"
#include "store/root_key.hpp"

#include "pg/postgres.hpp"

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

// Takes in what the table has: what is committed, and what this transaction has written itself.
void load(core::Keyring& ring) {
  if (TransactionIdIsValid(GetTopTransactionIdIfAny())) {
    unsettled_level = std::max(unsettled_level, GetCurrentTransactionNestLevel());
  }
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  const pg::LatestSnapshot latest;
  const pg::Rows rows =
      session.read("SELECT number, purpose, wrapped, root_id FROM keypool.data_keys");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ring.add(static_cast<std::uint32_t>(rows.get<std::int32_t>(i, 0)),
             rows.get<std::string_view>(i, 1), rows.get<pg::Bytes>(i, 2).data,
             rows.get<pg::Bytes>(i, 3).data);
  }
}

State& current_state() {
  const std::uint64_t generation = catalog_generation();
  if (state != nullptr && state->generation != generation) forget();
  if (state == nullptr) {
    register_callbacks();
    keep_out_of_core_dumps();
    auto fresh = std::make_unique<State>(generation, core::Keyring(read_root_key()));
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

void make_first_keys(core::Keyring& ring) {
  const pg::ActAs owner(catalog().owner);
  pg::Session session;
  // Of two sessions that store the first key of a database, the second waits here until the first
  // has committed, and then finds its keys, at any isolation level.
  session.run("LOCK TABLE keypool.data_keys IN SHARE ROW EXCLUSIVE MODE");
  load(ring);
  if (ring.current() != 0) return;
  // With data keys there, a fingerprint key that is missing was lost: a new one would only hide
  // that, and no stored key would be recognised. fingerprint() says so.
  std::int32_t number = next_number(session);
  if (!ring.has_fingerprint_key()) insert_key(session, ring, number++, core::kFingerprintPurpose);
  insert_key(session, ring, number, core::kDataPurpose);
  load(ring);
}

}  // namespace

core::Keyring& keyring(std::uint32_t data_key) {
  core::Keyring& ring = current_state().ring;
  const bool lacks = data_key == 0 ? ring.current() == 0 : !ring.has(data_key);
  if (lacks) load(ring);
  return ring;
}

core::Keyring& keyring_for_writing() {
  core::Keyring& ring = keyring();
  if (ring.current() == 0) make_first_keys(ring);
  return ring;
}

std::size_t open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity,
                        std::span<std::byte> out) {
  const core::EnvelopeView view = core::parse_envelope(envelope, identity.key_id);
  core::Aead& data_key = keyring(view.key_number).data_key(view.key_number);
  return core::open_key(data_key, view, identity, out);
}

core::Secret open_secret(std::span<const std::byte> envelope, const core::KeyIdentity& identity) {
  core::Secret secret(core::parse_envelope(envelope, identity.key_id).secret_size());
  open_secret(envelope, identity, secret.bytes());
  return secret;
}

}  // namespace keypool::store
