#include "store/caller_rules.hpp"

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "pg/guard.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/syscache.h"
}

namespace keypool::store {

namespace detail {
constinit bool nobody_is_limited = false;
}

namespace {

namespace column = caller_limit_column;

constexpr const char* kEach = "*";

// What is known as of `read_at`, the value of `changes` then; 0: never read.
struct Remembered {
  std::uint64_t read_at;
  std::string name;
  core::CallerLimit limit;
};
struct RememberedRole {
  std::uint64_t read_at;
  Oid role;
  std::string name;
  core::CallerLimit limit;
};
struct RememberedScopes {
  std::uint64_t read_at;
  std::array<bool, core::kCallerScopes> limited;
};

// A name has one place in each scope, which the last one asked for takes: no list to keep, and a
// bound.
constexpr std::size_t kPlaces = 1024;
struct Memory {
  std::array<Remembered, kPlaces> names;
  RememberedRole role;
  RememberedScopes scopes;
};

constinit Memory* memory = nullptr;
constinit Oid table = InvalidOid;
constinit std::uint64_t changes = 1;  // of the table or of a role, as far as this process knows

void forget() {
  ++changes;
  table = InvalidOid;
  detail::nobody_is_limited = false;
}

// Also tells when the table goes, and with it the installation.
void note_relation(Oid relation) {
  if (relation == InvalidOid || relation == table) forget();
}

void note_role(Datum, int, uint32) { forget(); }

Memory& remembered() {
  if (table != InvalidOid) [[likely]]
    return *memory;
  if (memory == nullptr) {
    auto made = std::make_unique<Memory>();
    pg::call([] { CacheRegisterSyscacheCallback(AUTHOID, note_role, Datum{0}); });
    watch_relations(note_relation);
    memory = made.release();
  }
  table = catalog().caller_limits;
  return *memory;
}

// To be noted before something is read: what changes meanwhile is read again. In a parallel query
// no latest snapshot can be had, and what its own one shows is not remembered.
std::uint64_t reading_as_of() { return IsInParallelMode() ? 0 : changes; }

// A row that is enabled.
struct Row {
  bool exists;
  core::CallerLimit limit;
};

std::uint32_t limit_in(HeapTuple tuple, TupleDesc description, int number) {
  bool is_null = false;
  const Datum value = heap_getattr(tuple, number, description, &is_null);
  return is_null ? 0 : static_cast<std::uint32_t>(DatumGetInt32(value));
}

Datum as_text(std::string_view value) {
  return PointerGetDatum(cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
}

// The first enabled row of that scope, and of that name if one is given. Inside pg::call.
Row read(const Catalog& catalog, core::CallerScope scope, const std::string_view* name) {
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], column::kScope, BTEqualStrategyNumber, F_TEXTEQ,
              as_text(core::name(scope)));
  if (name != nullptr) {
    ScanKeyInit(&keys[1], column::kName, BTEqualStrategyNumber, F_TEXTEQ, as_text(*name));
  }
  Row row = {};
  Relation relation = table_open(catalog.caller_limits, AccessShareLock);
  TupleDesc description = RelationGetDescr(relation);
  Snapshot snapshot =
      RegisterSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
  SysScanDesc scan = systable_beginscan(relation, catalog.caller_limits_name, true, snapshot,
                                        name != nullptr ? 2 : 1, keys);
  for (HeapTuple tuple; !row.exists && HeapTupleIsValid(tuple = systable_getnext(scan));) {
    bool is_null = false;
    row.exists = DatumGetBool(heap_getattr(tuple, column::kEnabled, description, &is_null));
    row.limit = {limit_in(tuple, description, column::kPicksPerMinute),
                 limit_in(tuple, description, column::kPicksPerHour)};
  }
  systable_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(relation, AccessShareLock);
  return row;
}

// Superusers and the owner of the tables could lift any limit: one for each is not for them.
bool is_spared(const Catalog& catalog, Oid role) {
  return role == catalog.owner || (OidIsValid(role) && superuser_arg(role));
}

// Inside pg::call.
core::CallerLimit read_limit(const Catalog& catalog, core::CallerScope scope,
                             std::string_view name) {
  const Row own = read(catalog, scope, &name);
  if (own.exists) return own.limit;
  const std::string_view each = kEach;
  const Row shared = read(catalog, scope, &each);
  if (!shared.exists) return {};
  if (scope == core::CallerScope::kRole) {
    // No role has a longer name.
    const Oid role = name.size() < NAMEDATALEN
                         ? get_role_oid(pnstrdup(name.data(), name.size()), true)
                         : InvalidOid;
    if (is_spared(catalog, role)) return {};
  }
  return shared.limit;
}

std::string name_of(Oid role) {
  const char* name = pg::call([role] { return GetUserNameFromId(role, true); });
  return name != nullptr ? name : "";
}

bool is_limited(Memory& known, core::CallerScope scope) {
  RememberedScopes& scopes = known.scopes;
  if (scopes.read_at != changes) [[unlikely]] {
    const std::uint64_t read_at = reading_as_of();
    const Catalog& relations = catalog();
    scopes.limited = pg::call([&relations] {
      return std::array{read(relations, core::CallerScope::kRole, nullptr).exists,
                        read(relations, core::CallerScope::kUser, nullptr).exists};
    });
    scopes.read_at = read_at;
    detail::nobody_is_limited = read_at == changes && !scopes.limited[0] && !scopes.limited[1];
  }
  return scopes.limited[static_cast<std::size_t>(scope)];
}

}  // namespace

core::CallerLimit caller_limit(core::CallerScope scope, std::string_view name) {
  Memory& memory = remembered();
  if (!is_limited(memory, scope) || name.size() > core::kMaxCallerName) return {};
  const std::size_t place =
      core::text_hash(name) % (kPlaces / core::kCallerScopes) * core::kCallerScopes +
      static_cast<std::size_t>(scope);
  Remembered& known = memory.names[place];
  if (known.read_at == changes && known.name == name) [[likely]]
    return known.limit;

  const std::uint64_t read_at = reading_as_of();
  const Catalog& relations = catalog();
  const core::CallerLimit limit = pg::call([&] { return read_limit(relations, scope, name); });
  known = {read_at, std::string(name), limit};
  return limit;
}

LimitedRole limited_role() {
  RememberedRole& known = remembered().role;
  const Oid role = GetOuterUserId();
  if (known.read_at != changes || known.role != role) [[unlikely]] {
    const std::uint64_t read_at = reading_as_of();
    std::string name = name_of(role);
    const core::CallerLimit limit = caller_limit(core::CallerScope::kRole, name);
    known = {read_at, role, std::move(name), limit};
  }
  return {known.name, known.limit};
}

Oid caller_limits_table() {
  remembered();
  return table;
}

}  // namespace keypool::store
