#include "store/prices.hpp"

#include <array>
#include <limits>
#include <string>

#include "core/key_fields.hpp"
#include "core/slot.hpp"
#include "pg/guard.hpp"
#include "pg/money.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
}

namespace keypool::store {

namespace {

namespace column = model_price_column;

// One model's price, and for how long it is that.
struct Remembered {
  std::uint64_t read_at;  // the value of `changes` then
  std::string provider;
  std::string model;
  core::Micros from;
  core::Micros until;
  std::optional<core::Price> price;
};

// A model has one place, which the last one asked for takes: no list to keep, and a bound.
constexpr std::size_t kPlaces = 1024;
using Memory = std::array<Remembered, kPlaces>;

constinit Memory* memory = nullptr;
constinit Oid table = InvalidOid;
constinit std::uint64_t changes = 1;  // of the table, as far as this process knows

void note_change(Datum, Oid relation) {
  if (relation == InvalidOid || relation == table) ++changes;
}

Memory& remembered() {
  if (memory == nullptr) {
    pg::call([] { CacheRegisterRelcacheCallback(note_change, Datum{0}); });
    memory = new Memory();
  }
  // Another installation of the extension has another table.
  if (table != catalog().model_prices) {
    table = catalog().model_prices;
    ++changes;
  }
  return *memory;
}

// The row of a moment, in palloc'd memory, and the moments between which it is that row.
struct Row {
  bool exists;
  bool has_cached;
  Datum input;
  Datum output;
  Datum cached;
  core::Micros from;
  core::Micros until;
};

// The nearest row on one side of a moment. Calls each(tuple, description) for none or one.
template <typename Each>
void nearest(Relation relation, Relation index, Snapshot snapshot, ScanKey keys,
             ScanDirection direction, Each each) {
  SysScanDesc scan = systable_beginscan_ordered(relation, index, snapshot, 3, keys);
  HeapTuple tuple = systable_getnext_ordered(scan, direction);
  if (HeapTupleIsValid(tuple)) each(tuple, RelationGetDescr(relation));
  systable_endscan_ordered(scan);
}

Datum attribute(HeapTuple tuple, TupleDesc description, int number, bool* is_null) {
  const Datum value = heap_getattr(tuple, number, description, is_null);
  return *is_null ? Datum{0} : datumCopy(value, false, -1);
}

void take(Row& row, HeapTuple tuple, TupleDesc description) {
  bool is_null = false;
  row.exists = true;
  row.input = attribute(tuple, description, column::kInputCost, &is_null);
  row.output = attribute(tuple, description, column::kOutputCost, &is_null);
  row.cached = attribute(tuple, description, column::kCachedInputCost, &is_null);
  row.has_cached = !is_null;
  row.from = DatumGetTimestampTz(heap_getattr(tuple, column::kValidFrom, description, &is_null));
}

text* as_text(std::string_view value) {
  return cstring_to_text_with_len(value.data(), static_cast<int>(value.size()));
}

// Inside pg::call.
Row read(const Catalog& catalog, std::string_view provider, std::string_view model,
         core::Micros at) {
  Row row = {.from = std::numeric_limits<core::Micros>::min(),
             .until = std::numeric_limits<core::Micros>::max()};
  ScanKeyData keys[3];
  ScanKeyInit(&keys[0], column::kProvider, BTEqualStrategyNumber, F_TEXTEQ,
              PointerGetDatum(as_text(provider)));
  ScanKeyInit(&keys[1], column::kModel, BTEqualStrategyNumber, F_TEXTEQ,
              PointerGetDatum(as_text(model)));
  Relation relation = table_open(catalog.model_prices, AccessShareLock);
  Relation index = index_open(catalog.model_prices_pkey, AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());

  ScanKeyInit(&keys[2], column::kValidFrom, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
              TimestampTzGetDatum(at));
  nearest(relation, index, snapshot, keys, BackwardScanDirection,
          [&row](HeapTuple tuple, TupleDesc description) { take(row, tuple, description); });
  ScanKeyInit(&keys[2], column::kValidFrom, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
              TimestampTzGetDatum(at));
  nearest(relation, index, snapshot, keys, ForwardScanDirection,
          [&row](HeapTuple tuple, TupleDesc description) {
            bool is_null = false;
            row.until =
                DatumGetTimestampTz(heap_getattr(tuple, column::kValidFrom, description, &is_null));
          });

  UnregisterSnapshot(snapshot);
  index_close(index, AccessShareLock);
  table_close(relation, AccessShareLock);
  return row;
}

std::optional<core::Price> price_of(const Row& row) {
  if (!row.exists) return std::nullopt;
  core::Price price = {pg::nanos_from_numeric(row.input), pg::nanos_from_numeric(row.output), {}};
  if (row.has_cached) price.cached_input = pg::nanos_from_numeric(row.cached);
  return price;
}

std::size_t place_of(std::string_view provider, std::string_view model) {
  return (core::text_hash(provider) * 31 + core::text_hash(model)) % kPlaces;
}

std::optional<core::Price> listed_price(std::string_view provider, std::string_view model,
                                        core::Micros at) {
  if (model.empty() || model.size() > core::kMaxModelSize) return std::nullopt;
  Remembered& place = remembered()[place_of(provider, model)];
  const bool known = place.read_at == changes && at >= place.from && at < place.until &&
                     place.model == model && place.provider == provider;
  if (known) [[likely]]
    return place.price;

  // Noted before the snapshot is taken: what changes in between is read again.
  const std::uint64_t read_at = changes;
  const Catalog& relations = catalog();
  const Row row = pg::call([&] { return read(relations, provider, model, at); });
  const std::optional<core::Price> price = price_of(row);
  place = {read_at, std::string(provider), std::string(model), row.from, row.until, price};
  return price;
}

}  // namespace

std::optional<core::Price> price_at(std::string_view provider, std::string_view model,
                                    core::Micros at) {
  const auto price = listed_price(provider, model, at);
  const std::size_t prefix = provider.size();
  const bool names_provider =
      model.size() > prefix && model[prefix] == '/' && model.starts_with(provider);
  if (price || !names_provider) return price;
  return listed_price(provider, model.substr(prefix + 1), at);
}

}  // namespace keypool::store
