// Rows that are sealed under older data keys, as they lie in some blocks of a table: copied out,
// their envelopes open to be overwritten, and written back into the table and its indexes.
//
// For resealing.cpp alone. The memory is that of the object. Throws PgError. An envelope of the
// same size, which a new one always has, replaces the old one within the copied tuple.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "store/resealing.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/htup.h"
}

namespace keypool::store {

struct SealedRow {
  HeapTuple tuple;
  std::int64_t id;
  const char* provider;  // empty texts for a webhook
  const char* kind;
  const char* owner;
  std::byte* envelope;  // in the tuple, unless it is kept apart
  std::uint16_t provider_size;
  std::uint16_t kind_size;
  std::uint16_t owner_size;
  std::uint16_t envelope_size;
  bool apart;    // the tuple has it compressed or elsewhere
  bool changed;  // for write()
};

class SealedRows {
 public:
  SealedRows(SealedTable table, std::uint32_t newest, std::uint32_t first, std::uint32_t count);
  SealedRows(const SealedRows&) = delete;
  SealedRows& operator=(const SealedRows&) = delete;
  ~SealedRows();

  std::uint32_t blocks() const noexcept { return found_.blocks; }
  std::int64_t seen() const noexcept { return found_.seen; }
  std::span<SealedRow> old() const noexcept { return {found_.rows, found_.count}; }

  // Writes what was changed, and says how many rows that were: whoever is changing a row just now
  // goes first.
  std::int64_t write() const;

 private:
  struct Found {
    std::uint32_t blocks;
    std::int64_t seen;
    SealedRow* rows;
    std::size_t count;
    std::size_t capacity;
  };
  struct Reader;

  SealedTable table_;
  MemoryContext memory_;
  Found found_ = {};
};

}  // namespace keypool::store
