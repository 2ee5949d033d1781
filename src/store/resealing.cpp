#include "store/resealing.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "core/envelope.hpp"
#include "core/error.hpp"
#include "core/webhook.hpp"
#include "pg/guard.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/sealed_rows.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

// Random bytes are cheaper by the kilobyte.
class Nonces {
 public:
  core::NonceView next() {
    if (used_ == kCount) {
      core::random_bytes(bytes_);
      used_ = 0;
    }
    return core::NonceView(bytes_.data() + used_++ * core::kNonceSize, core::kNonceSize);
  }

 private:
  static constexpr std::size_t kCount = 256;
  std::array<std::byte, kCount * core::kNonceSize> bytes_;
  std::size_t used_ = kCount;
};

core::KeyIdentity identity_of(const SealedRow& row, SealedTable table) {
  if (table == SealedTable::kWebhooks) return core::webhook_identity(row.id);
  return {row.id,
          {row.provider, row.provider_size},
          {row.kind, row.kind_size},
          {row.owner, row.owner_size}};
}

// False: it stays as it is.
bool reseal(core::Keyring& ring, std::uint32_t newest, SealedTable table, Nonces& nonces,
            SealedRow& row, Resealed& done) {
  const core::KeyIdentity identity = identity_of(row, table);
  try {
    const std::span envelope(row.envelope, row.envelope_size);
    const std::uint32_t number = core::parse_envelope(envelope, row.id).key_number;
    // Neither reference ends: nothing is added to the ring.
    core::reseal_key(ring.data_key(number), ring.data_key(newest), newest, nonces.next(), identity,
                     envelope);
    return true;
  } catch (const core::Error& error) {
    ++done.failed;
    if (done.problem.empty()) {
      done.problem = error.message();
      if (table == SealedTable::kWebhooks) done.problem.insert(0, "webhook: ");
    }
    return false;
  }
}

}  // namespace

void Resealed::add(const Resealed& other) {
  rows += other.rows;
  resealed += other.resealed;
  busy += other.busy;
  failed += other.failed;
  if (problem.empty()) problem = other.problem;
}

Resealed reseal_blocks(core::Keyring& ring, std::uint32_t newest, SealedTable table,
                       std::uint32_t first, std::uint32_t count) {
  const SealedRows rows(table, newest, first, count);
  Nonces nonces;
  Resealed done;
  done.blocks = rows.blocks();
  done.rows = rows.seen();
  for (SealedRow& row : rows.old()) row.changed = reseal(ring, newest, table, nonces, row, done);
  done.resealed = rows.write();
  done.busy = static_cast<std::int64_t>(rows.old().size()) - done.failed - done.resealed;
  return done;
}

}  // namespace keypool::store
