#include "api/keys_guard.hpp"

#include <array>
#include <string>

#include "api/audited.hpp"
#include "api/own_trigger.hpp"
#include "core/error.hpp"
#include "pg/entry.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/datum.h"
#include "utils/rel.h"
}

namespace keypool::api {

namespace {

constinit std::int64_t unguarded_key = 0;  // ids count from 1

struct GuardedColumn {
  const char* name;
  const char* hint;
};

constexpr const char* kIdentityHint =
    "A secret is sealed to the id, provider and owner of its key: revoke_key() this one and "
    "add_key() another.";
constexpr const char* kSecretHint = "Use rotate_key() to replace the secret of a key.";
constexpr const char* kRevokeHint =
    "Use revoke_key() to take a key out of use for good, or set enabled to false for a while.";

constexpr std::array<GuardedColumn, 9> kGuarded = {{{"id", kIdentityHint},
                                                    {"provider", kIdentityHint},
                                                    {"user_id", kIdentityHint},
                                                    {"organization_id", kIdentityHint},
                                                    {"envelope", kSecretHint},
                                                    {"fingerprint", kSecretHint},
                                                    {"hint", kSecretHint},
                                                    {"rotated_at", kSecretHint},
                                                    {"revoked_at", kRevokeHint}}};

// Inside pg::call.
bool differs(TupleDesc type, HeapTuple before, HeapTuple after, const char* column) {
  const int number = SPI_fnumber(type, column);
  if (number <= 0) elog(ERROR, "keypool.api_keys has no column \"%s\"", column);
  bool was_null = false;
  bool is_null = false;
  const Datum old_value = heap_getattr(before, number, type, &was_null);
  const Datum new_value = heap_getattr(after, number, type, &is_null);
  if (was_null || is_null) return was_null != is_null;
  const FormData_pg_attribute* attribute = TupleDescAttr(type, number - 1);
  return !datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen);
}

struct Verdict {
  const GuardedColumn* refused;  // null: nothing that is guarded changes
  std::int64_t key_id;
};

// Inside pg::call.
Verdict judge(const TriggerData& trigger) {
  TupleDesc type = RelationGetDescr(trigger.tg_relation);
  bool is_null = false;
  const Datum id = heap_getattr(trigger.tg_trigtuple, SPI_fnumber(type, "id"), type, &is_null);
  const std::int64_t key_id = DatumGetInt64(id);
  if (key_id == unguarded_key) return {nullptr, key_id};
  for (const GuardedColumn& column : kGuarded) {
    if (differs(type, trigger.tg_trigtuple, trigger.tg_newtuple, column.name)) {
      return {&column, key_id};
    }
  }
  return {nullptr, key_id};
}

// guard_api_key() → trigger: before each updated row of keypool.api_keys
Datum guard_api_key(const pg::Args& args) {
  const TriggerData& trigger = own_trigger(args, "guard_api_key");
  if (!TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "guard_api_key must be called by a row trigger for UPDATE");
  }
  const Verdict verdict = pg::call([&trigger] { return judge(trigger); });
  if (verdict.refused != nullptr) {
    throw core::Error(core::ErrorCode::kForbidden,
                      "column \"" + std::string(verdict.refused->name) + "\" of key " +
                          std::to_string(verdict.key_id) + " cannot be changed by UPDATE",
                      {}, verdict.refused->hint);
  }
  return PointerGetDatum(trigger.tg_newtuple);
}

}  // namespace

Unguarded::Unguarded(std::int64_t key_id) noexcept { unguarded_key = key_id; }
Unguarded::~Unguarded() { unguarded_key = 0; }
bool Unguarded::any() noexcept { return unguarded_key != 0; }

KEYPOOL_FUNCTION(guard_api_key, (audited<"update_key", AuditSubject::kNone, guard_api_key>));

}  // namespace keypool::api
