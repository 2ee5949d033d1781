#include "store/audit_chain.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "core/binary_text.hpp"
#include "core/error.hpp"
#include "pg/guard.hpp"
#include "pg/owner.hpp"
#include "pg/snapshot.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/columns.hpp"
#include "store/tuple.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "mb/pg_wchar.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
}

namespace keypool::store {

namespace {

constexpr std::size_t kRowsAtOnce = 1000;
constexpr core::Micros kUnixEpoch = 946'684'800 * core::kSecond;  // before Postgres's

// ---- what is hashed ----

// As jsonb prints a string.
void put_text(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < ' ') {
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[static_cast<unsigned char>(c) & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void put(std::string& out, std::optional<std::string_view> text) {
  out += ", ";
  if (text) {
    put_text(out, *text);
  } else {
    out += "null";
  }
}

std::string as_json(const ChainRow& row) {
  std::string out = "[" + std::to_string(row.id) + ", " + std::to_string(row.at + kUnixEpoch);
  for (const auto& text : {std::optional(row.action), std::optional(row.outcome), row.session_role,
                           row.acting_role, row.client_address, row.application}) {
    put(out, text);
  }
  out += ", " + (row.key_id ? std::to_string(*row.key_id) : std::string("null"));
  put(out, row.provider);
  out += ", " + std::to_string(row.times) + ", ";
  out += row.details.value_or("null");
  out += ']';
  return out;
}

std::string in_utf8(std::string text) {
  if (GetDatabaseEncoding() == PG_UTF8) return text;
  const char* source = text.c_str();
  const int size = static_cast<int>(text.size());
  return pg::call([=] { return pg_server_to_any(source, size, PG_UTF8); });
}

// ---- the end of the chain ----

struct Head {
  std::int64_t id;  // 0: the log is empty
  core::Digest hash;
};

// Inside pg::call. What is committed and what this transaction has written, whatever snapshots
// there are: with the lock held, nobody else has anything in between.
Head find_head(Oid table_oid, Oid index_oid) {
  Head head = {};
  Relation table = table_open(table_oid, NoLock);
  Relation index = index_open(index_oid, AccessShareLock);
  SysScanDesc scan = systable_beginscan_ordered(table, index, SnapshotSelf, 0, nullptr);
  HeapTuple tuple = systable_getnext_ordered(scan, BackwardScanDirection);
  if (HeapTupleIsValid(tuple)) {
    const Tuple row(tuple, RelationGetDescr(table));
    const std::string_view hash = row.text(audit_log_column::kHash);
    head.id = row.int8(audit_log_column::kId);
    std::memcpy(head.hash.data(), hash.data(), std::min(hash.size(), head.hash.size()));
  }
  systable_endscan_ordered(scan);
  index_close(index, NoLock);
  table_close(table, NoLock);
  return head;
}

// The table's lock first: whoever has locked the whole table may append too, and must not wait for
// the one who waits for him.
Head lock_head(const Catalog& tables) {
  return pg::call([&tables] {
    LockRelationOid(tables.audit_log, RowExclusiveLock);
    LockDatabaseObject(RelationRelationId, tables.audit_log, 0, ExclusiveLock);
    return find_head(tables.audit_log, tables.audit_log_pkey);
  });
}

// ---- writing ----

constexpr const char* kInsert = R"(
INSERT INTO keypool.audit_log (id, at, action, outcome, session_role, acting_role, client_address,
  application, key_id, provider, times, details, previous_hash, hash)
SELECT n.id, timestamptz '2000-01-01 00:00:00+00' + n.at * interval '1 microsecond', n.action,
  n.outcome, nullif(n.session_role, ''), nullif(n.acting_role, ''), nullif(n.client_address, ''),
  nullif(n.application, ''), nullif(n.key_id, 0), nullif(n.provider, ''), n.times,
  nullif(n.details, '')::jsonb, decode(nullif(n.previous_hash, ''), 'hex'), decode(n.hash, 'hex')
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
AS n (id, at, action, outcome, session_role, acting_role, client_address, application, key_id,
  provider, times, details, previous_hash, hash))";

std::optional<std::string_view> given(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

ChainRow row_of(const core::AuditEntry& entry, std::int64_t id) {
  return {.id = id,
          .at = entry.at,
          .action = entry.action,
          .outcome = entry.outcome,
          .session_role = given(entry.session_role),
          .acting_role = given(entry.acting_role),
          .client_address = given(entry.client_address),
          .application = given(entry.application),
          .key_id = entry.key_id != 0 ? std::optional(entry.key_id) : std::nullopt,
          .provider = given(entry.provider),
          .times = entry.times,
          .details = given(entry.details)};
}

template <typename Value>
std::vector<Value> column(std::span<const core::AuditEntry> entries,
                          const auto core::AuditEntry::*member) {
  std::vector<Value> values;
  values.reserve(entries.size());
  for (const core::AuditEntry& entry : entries) values.emplace_back(entry.*member);
  return values;
}

void append(pg::Session& session, Head& head, std::span<const core::AuditEntry> entries) {
  std::vector<std::int64_t> ids;
  std::vector<std::string> hashes;  // each after the one that is previous to it
  const auto known_hash = [&head] {
    return head.id != 0 ? core::to_hex(head.hash) : std::string();
  };
  hashes.push_back(known_hash());
  for (const core::AuditEntry& entry : entries) {
    const std::span<const std::byte> previous =
        head.id != 0 ? std::span<const std::byte>(head.hash) : std::span<const std::byte>();
    const std::int64_t id = head.id != 0 ? head.id + 1 : entry.at;
    head = {id, chain_hash(previous, row_of(entry, id))};
    ids.push_back(id);
    hashes.push_back(known_hash());
  }
  using Entry = core::AuditEntry;
  const std::vector<std::string_view> chain(hashes.begin(), hashes.end());
  const auto texts = [entries](const auto Entry::*member) {
    return column<std::string_view>(entries, member);
  };
  const auto numbers = [entries](const auto Entry::*member) {
    return column<std::int64_t>(entries, member);
  };
  session.run(kInsert, ids, numbers(&Entry::at), texts(&Entry::action), texts(&Entry::outcome),
              texts(&Entry::session_role), texts(&Entry::acting_role),
              texts(&Entry::client_address), texts(&Entry::application), numbers(&Entry::key_id),
              texts(&Entry::provider), numbers(&Entry::times), texts(&Entry::details),
              std::vector<std::string_view>(chain.begin(), chain.end() - 1),
              std::vector<std::string_view>(chain.begin() + 1, chain.end()));
}

// A transaction may be declared read-only after it has changed keys, or may have asked for a check.
class Writable {
 public:
  Writable() noexcept : before_(XactReadOnly) { XactReadOnly = false; }
  Writable(const Writable&) = delete;
  Writable& operator=(const Writable&) = delete;
  ~Writable() { XactReadOnly = before_; }

 private:
  bool before_;
};

}  // namespace

core::Digest chain_hash(std::span<const std::byte> previous, const ChainRow& row) {
  const std::string text = in_utf8(as_json(row));
  std::vector<std::byte> bytes(previous.begin(), previous.end());
  const auto data = std::as_bytes(std::span(text));
  bytes.insert(bytes.end(), data.begin(), data.end());
  return core::sha256(bytes);
}

void append_to_chain(std::span<const core::AuditEntry> entries) {
  const Catalog& tables = catalog();
  const pg::ActAs owner(tables.owner);
  const Writable writable;
  Head head = lock_head(tables);
  // At the end of a transaction there may be none, and statements want one.
  const pg::LatestSnapshot snapshot;
  pg::Session session;
  while (!entries.empty()) {
    const auto part = entries.first(std::min(kRowsAtOnce, entries.size()));
    append(session, head, part);
    entries = entries.subspan(part.size());
  }
}

}  // namespace keypool::store
