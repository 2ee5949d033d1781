#include "worker/page_wiper.hpp"

#include <algorithm>
#include <cstring>

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/xloginsert.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"
}

namespace keypool::worker {

// Everything below runs inside pg::call: plain data only.
namespace {

bool is_heap(Relation relation) {
  return relation->rd_rel->relkind == RELKIND_RELATION ||
         relation->rd_rel->relkind == RELKIND_TOASTVALUE;
}

bool has_known_pages(Relation relation) {
  if (is_heap(relation)) return relation->rd_rel->relam == HEAP_TABLE_AM_OID;
  return relation->rd_rel->relkind == RELKIND_INDEX && relation->rd_rel->relam == BTREE_AM_OID;
}

bool is_laid_out(Page page) {
  const auto* header = reinterpret_cast<PageHeader>(page);
  return !PageIsNew(page) && header->pd_lower >= SizeOfPageHeaderData &&
         header->pd_lower <= header->pd_upper && header->pd_upper <= header->pd_special &&
         header->pd_special <= BLCKSZ;
}

// Pages of a B-tree that hold something else than rows, before pd_lower.
bool holds_rows(Relation relation, Page page) {
  if (is_heap(relation)) return true;
  const BTPageOpaque opaque = BTPageGetOpaque(page);
  return !P_ISMETA(opaque) && !P_ISDELETED(opaque);
}

// The page as it would be if it had never held anything else. False: it is damaged, which is for
// others to mend.
bool copy_what_is_used(Relation relation, Page page, char* copy) {
  const auto* header = reinterpret_cast<PageHeader>(page);
  std::memset(copy, 0, BLCKSZ);
  std::memcpy(copy, page, header->pd_lower);
  std::memcpy(copy + header->pd_special, page + header->pd_special, BLCKSZ - header->pd_special);
  if (!holds_rows(relation, page)) return true;
  const OffsetNumber last = PageGetMaxOffsetNumber(page);
  for (OffsetNumber number = FirstOffsetNumber; number <= last; ++number) {
    const ItemId item = PageGetItemId(page, number);
    if (!ItemIdHasStorage(item)) continue;
    const std::size_t begin = ItemIdGetOffset(item);
    const std::size_t size = ItemIdGetLength(item);
    if (begin < header->pd_upper || begin + size > header->pd_special) return false;
    std::memcpy(copy + begin, page + begin, size);
  }
  return true;
}

bool holds_more(Relation relation, Page page) {
  PGAlignedBlock copy;
  return copy_what_is_used(relation, page, copy.data) && std::memcmp(page, copy.data, BLCKSZ) != 0;
}

// The buffer is locked. Whether a row that had to be gone is still there.
bool holds_dead_row(Relation relation, Buffer buffer, TransactionId needed_below) {
  Page page = BufferGetPage(buffer);
  const OffsetNumber last = PageGetMaxOffsetNumber(page);
  for (OffsetNumber number = FirstOffsetNumber; number <= last; ++number) {
    const ItemId item = PageGetItemId(page, number);
    if (!ItemIdIsNormal(item)) continue;
    HeapTupleData tuple = {};
    tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    tuple.t_len = ItemIdGetLength(item);
    tuple.t_tableOid = RelationGetRelid(relation);
    ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), number);
    if (HeapTupleSatisfiesVacuum(&tuple, needed_below, buffer) == HEAPTUPLE_DEAD) return true;
  }
  return false;
}

// The buffer is locked exclusively. Only bytes that nothing refers to are written: who has pinned
// the page reads its rows without a lock.
void wipe(Relation relation, Buffer buffer) {
  Page page = BufferGetPage(buffer);
  PGAlignedBlock copy;
  if (!is_laid_out(page) || !copy_what_is_used(relation, page, copy.data)) return;
  START_CRIT_SECTION();
  for (std::size_t i = 0; i < BLCKSZ; ++i) {
    if (page[i] != copy.data[i]) page[i] = copy.data[i];
  }
  MarkBufferDirty(buffer);
  // The free space is left out of the log, and is zero where the log is replayed.
  if (RelationNeedsWAL(relation)) log_newpage_buffer(buffer, true);
  END_CRIT_SECTION();
}

void wipe_page(Relation relation, BlockNumber number, BufferAccessStrategy strategy,
               TransactionId needed_below, WipedPages* pages) {
  const Buffer buffer = ReadBufferExtended(relation, MAIN_FORKNUM, number, RBM_NORMAL, strategy);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  if (is_laid_out(page)) {
    if (is_heap(relation)) pages->left |= holds_dead_row(relation, buffer, needed_below);
    if (holds_more(relation, page)) {
      // In between others may write: what the page refers to is read again.
      LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
      LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
      wipe(relation, buffer);
      ++pages->wiped;
    }
  }
  UnlockReleaseBuffer(buffer);
}

}  // namespace

WipedPages wipe_pages(Oid relation_id, std::uint32_t from, std::uint32_t most,
                      TransactionId needed_below) {
  return pg::call([=] {
    WipedPages pages;
    Relation relation = try_relation_open(relation_id, AccessShareLock);
    if (relation == nullptr) return pages;
    if (has_known_pages(relation)) {
      const BlockNumber all = RelationGetNumberOfBlocks(relation);
      const BlockNumber end = std::min<BlockNumber>(all, from + most);
      BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
      for (BlockNumber number = from; number < end; ++number) {
        CHECK_FOR_INTERRUPTS();
        wipe_page(relation, number, strategy, needed_below, &pages);
      }
      FreeAccessStrategy(strategy);
      pages.next = end;
      pages.last = end >= all;
    }
    relation_close(relation, AccessShareLock);
    return pages;
  });
}

Oid toast_table_of(Oid table) {
  return pg::call([table] {
    Relation relation = try_relation_open(table, AccessShareLock);
    if (relation == nullptr) return InvalidOid;
    const Oid toast = relation->rd_rel->reltoastrelid;
    relation_close(relation, AccessShareLock);
    return toast;
  });
}

}  // namespace keypool::worker
