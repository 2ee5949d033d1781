#include "store/sealed_rows.hpp"

#include <algorithm>

#include "pg/guard.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "postmaster/interrupt.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace keypool::store {

namespace {

struct Columns {
  int id;
  int provider;  // 0: there is none, nor a kind and an owner
  int kind;
  int owner;
  int envelope;
};

constexpr Columns kKeyColumns = {api_key_column::kId, api_key_column::kProvider,
                                 api_key_column::kKeySource, api_key_column::kOwner,
                                 api_key_column::kEnvelope};
constexpr Columns kWebhookColumns = {webhook_column::kId, 0, 0, 0, webhook_column::kEnvelope};

const Columns& columns_of(SealedTable table) {
  return table == SealedTable::kWebhooks ? kWebhookColumns : kKeyColumns;
}

Oid oid_of(SealedTable table) {
  return table == SealedTable::kWebhooks ? catalog().alert_webhooks : catalog().api_keys;
}

// ---- reading; inside pg::call ----

struct varlena* value_at(const TupleTableSlot* slot, int column) {
  return reinterpret_cast<struct varlena*>(DatumGetPointer(slot->tts_values[column - 1]));
}

bool is_apart(const struct varlena* value) {
  return VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value);
}

// The number of its data key stands at the front of an envelope; one too short for that is damaged,
// and no newer than any.
bool is_old(const struct varlena* envelope, std::uint32_t newest) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(VARDATA_ANY(envelope));
  if (VARSIZE_ANY_EXHDR(envelope) < 5) return true;
  const std::uint32_t number = static_cast<std::uint32_t>(bytes[1]) << 24 |
                               static_cast<std::uint32_t>(bytes[2]) << 16 |
                               static_cast<std::uint32_t>(bytes[3]) << 8 | bytes[4];
  return number < newest;
}

// Null where the row has no envelope, as a revoked key's has not. Never apart.
struct varlena* envelope_in(TupleTableSlot* slot, const Columns& columns) {
  slot_getsomeattrs(slot, columns.envelope);
  if (slot->tts_isnull[columns.envelope - 1]) return nullptr;
  return PG_DETOAST_DATUM_PACKED(slot->tts_values[columns.envelope - 1]);
}

// A value of the slot as it lies in a copy of the slot's tuple.
struct varlena* in_copy(const TupleTableSlot* slot, HeapTuple original, HeapTuple copy,
                        int column) {
  struct varlena* value = value_at(slot, column);
  if (is_apart(value)) return PG_DETOAST_DATUM_COPY(PointerGetDatum(value));
  const auto offset = reinterpret_cast<char*>(value) - reinterpret_cast<char*>(original->t_data);
  return reinterpret_cast<struct varlena*>(reinterpret_cast<char*>(copy->t_data) + offset);
}

void set_text(const struct varlena* value, const char*& text, std::uint16_t& size) {
  text = VARDATA_ANY(value);
  size = static_cast<std::uint16_t>(std::min<std::size_t>(VARSIZE_ANY_EXHDR(value), UINT16_MAX));
}

SealedRow copied(TupleTableSlot* slot, const Columns& columns) {
  HeapTuple original = ExecFetchSlotHeapTuple(slot, false, nullptr);
  SealedRow row = {};
  row.provider = row.kind = row.owner = "";
  row.tuple = heap_copytuple(original);
  row.id = DatumGetInt64(slot->tts_values[columns.id - 1]);
  const auto value = [&](int column) { return in_copy(slot, original, row.tuple, column); };
  if (columns.provider != 0) {
    set_text(value(columns.provider), row.provider, row.provider_size);
    set_text(value(columns.kind), row.kind, row.kind_size);
    set_text(value(columns.owner), row.owner, row.owner_size);
  }
  const char* envelope = nullptr;
  row.apart = is_apart(value_at(slot, columns.envelope));
  set_text(value(columns.envelope), envelope, row.envelope_size);
  row.envelope = reinterpret_cast<std::byte*>(const_cast<char*>(envelope));
  return row;
}

// ---- writing; inside pg::call ----

// Entries for a row that found no room on its page. What the executor needs for them is made when
// that happens first, which at our fillfactor is seldom.
class IndexEntries {
 public:
  explicit IndexEntries(Relation relation) : relation_(relation) {}

  template <typename Updated>
  void insert(TupleTableSlot* slot, Updated updated) {
    if (executor_ == nullptr) open();
    ResetPerTupleExprContext(executor_);
    // Since 16 there may be indexes that only sum up, which alone follow some updates.
    const bool summing_only = static_cast<int>(updated) == 2;
    insert_with(executor_, slot, summing_only);
  }

  void close() {
    if (executor_ == nullptr) return;
    ExecCloseIndices(result_);
    FreeExecutorState(executor_);
  }

 private:
  template <typename Executor>
  void insert_with(Executor* executor, TupleTableSlot* slot, bool summing_only) {
    List* none = NIL;
    if constexpr (requires {
                    ExecInsertIndexTuples(result_, slot, executor, true, false, nullptr, none,
                                          summing_only);
                  }) {
      ExecInsertIndexTuples(result_, slot, executor, true, false, nullptr, none, summing_only);
    } else {
      ExecInsertIndexTuples(result_, slot, executor, true, false, nullptr, none);
    }
  }

  void open() {
    executor_ = CreateExecutorState();
    result_ = makeNode(ResultRelInfo);
    InitResultRelInfo(result_, relation_, 0, nullptr, 0);
    ExecOpenIndices(result_, false);
  }

  Relation relation_;
  EState* executor_ = nullptr;
  ResultRelInfo* result_ = nullptr;
};

HeapTuple changed_tuple(const SealedRow& row, Relation relation, const Columns& columns) {
  if (!row.apart) return row.tuple;
  auto* value = static_cast<struct varlena*>(palloc(VARHDRSZ + row.envelope_size));
  SET_VARSIZE(value, VARHDRSZ + row.envelope_size);
  std::copy_n(reinterpret_cast<const char*>(row.envelope), row.envelope_size, VARDATA(value));
  int column = columns.envelope;
  Datum values[] = {PointerGetDatum(value)};
  bool nulls[] = {false};
  return heap_modify_tuple_by_cols(row.tuple, RelationGetDescr(relation), 1, &column, values,
                                   nulls);
}

bool replace(Relation relation, const SealedRow& row, HeapTuple tuple, TupleTableSlot* slot,
             IndexEntries& indexes) {
  ItemPointerData place = row.tuple->t_self;
  ExecStoreHeapTuple(tuple, slot, false);
  TM_FailureData failure;
  LockTupleMode mode;
  KEYPOOL_UPDATED_INDEXES updated = {};
  const TM_Result result =
      table_tuple_update(relation, &place, slot, GetCurrentCommandId(true), GetActiveSnapshot(),
                         InvalidSnapshot, false, &failure, &mode, &updated);
  if (result != TM_Ok) return false;
  if (static_cast<int>(updated) != 0) indexes.insert(slot, updated);
  return true;
}

}  // namespace

// What is done with the rows of a scan; inside pg::call.
struct SealedRows::Reader {
  static void take(TupleTableSlot* slot, const Columns& columns, std::uint32_t newest,
                   Found& found) {
    const struct varlena* envelope = envelope_in(slot, columns);
    if (envelope == nullptr) return;
    ++found.seen;
    if (!is_old(envelope, newest)) return;
    if (found.count == found.capacity) {
      found.capacity = found.capacity == 0 ? 256 : found.capacity * 2;
      const std::size_t bytes = found.capacity * sizeof(SealedRow);
      found.rows = static_cast<SealedRow*>(found.rows == nullptr ? palloc(bytes)
                                                                 : repalloc(found.rows, bytes));
    }
    found.rows[found.count++] = copied(slot, columns);
  }

  static void read(Oid table, const Columns& columns, std::uint32_t newest, std::uint32_t first,
                   std::uint32_t count, Found& found) {
    Relation relation = table_open(table, RowExclusiveLock);
    found.blocks = RelationGetNumberOfBlocks(relation);
    if (first < found.blocks) {
      ItemPointerData low, high;
      ItemPointerSet(&low, first, FirstOffsetNumber);
      ItemPointerSet(&high, std::min(found.blocks - first, count) + first - 1, MaxOffsetNumber);
      Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
      TupleTableSlot* slot = table_slot_create(relation, nullptr);
      TableScanDesc scan = table_beginscan_tidrange(relation, snapshot, &low, &high);
      while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot)) {
        take(slot, columns, newest, found);
      }
      table_endscan(scan);
      ExecDropSingleTupleTableSlot(slot);
      UnregisterSnapshot(snapshot);
    }
    table_close(relation, NoLock);
  }
};

SealedRows::SealedRows(SealedTable table, std::uint32_t newest, std::uint32_t first,
                       std::uint32_t count)
    : table_(table), memory_(pg::call([] {
        return AllocSetContextCreate(CurrentMemoryContext, "pg_keypool sealed rows",
                                     ALLOCSET_DEFAULT_SIZES);
      })) {
  const Oid relation = oid_of(table);
  try {
    pg::call([&, this] {
      MemoryContextSwitchTo(memory_);
      Reader::read(relation, columns_of(table), newest, first, count, found_);
    });
  } catch (...) {
    MemoryContextDelete(memory_);
    throw;
  }
}

SealedRows::~SealedRows() { MemoryContextDelete(memory_); }

std::int64_t SealedRows::write() const {
  const auto is_changed = [](const SealedRow& row) { return row.changed; };
  if (std::none_of(old().begin(), old().end(), is_changed)) return 0;
  const Oid table = oid_of(table_);
  return pg::call([table, this] {
    MemoryContextSwitchTo(memory_);
    const Columns& columns = columns_of(table_);
    Relation relation = table_open(table, RowExclusiveLock);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);
    IndexEntries indexes(relation);
    std::int64_t written = 0;
    for (const SealedRow& row : old()) {
      if (!row.changed) continue;
      HeapTuple tuple = changed_tuple(row, relation, columns);
      written += replace(relation, row, tuple, slot, indexes);
    }
    indexes.close();
    ExecDropSingleTupleTableSlot(slot);
    table_close(relation, NoLock);
    CommandCounterIncrement();
    return written;
  });
}

std::int64_t count_old_seals(std::uint32_t newest) {
  catalog();
  return pg::call([newest] {
    constexpr std::int64_t kRowsAtOnce = 4096;
    std::int64_t seen = 0;
    std::int64_t old = 0;
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    for (const SealedTable each : {SealedTable::kApiKeys, SealedTable::kWebhooks}) {
      Relation relation = table_open(oid_of(each), AccessShareLock);
      TupleTableSlot* slot = table_slot_create(relation, nullptr);
      TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
      while (old >= 0 && table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
        const struct varlena* envelope = envelope_in(slot, columns_of(each));
        if (envelope != nullptr) old += is_old(envelope, newest);
        if (++seen % kRowsAtOnce == 0 && ShutdownRequestPending) old = -1;
      }
      table_endscan(scan);
      ExecDropSingleTupleTableSlot(slot);
      table_close(relation, NoLock);
    }
    UnregisterSnapshot(snapshot);
    return old;
  });
}

}  // namespace keypool::store
