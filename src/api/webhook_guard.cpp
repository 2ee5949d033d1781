// Webhooks as they are stored: their secret is sealed before a row is made of it, whichever way it
// comes. add_webhook leaves no trace of it on the way; the trigger is for plain SQL.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "api/audited.hpp"
#include "api/hidden_statement.hpp"
#include "api/key_write.hpp"
#include "api/own_trigger.hpp"
#include "core/error.hpp"
#include "core/webhook.hpp"
#include "pg/entry.hpp"
#include "pg/owner.hpp"
#include "pg/spi.hpp"
#include "store/catalog.hpp"
#include "store/keyring.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/htup_details.h"
#include "utils/datum.h"
}

namespace keypool::api {

namespace {

using Texts = std::vector<std::string_view>;

std::vector<std::byte> seal_webhook(std::int64_t id, std::string_view secret) {
  core::check_webhook_secret(secret);
  core::Keyring& ring = store::keyring_for_writing();
  const std::uint32_t number = ring.current();
  return core::seal_key(ring.data_key(number), number, core::webhook_identity(id), secret);
}

// One row of keypool.alert_webhooks on its way into the table.
class Row {
 public:
  Row(const TriggerData& trigger, HeapTuple tuple)
      : type_(RelationGetDescr(trigger.tg_relation)), tuple_(tuple) {}

  template <typename T>
  std::optional<T> optional(const char* column) const {
    const pg::NullableValue value = pg::call([=, this] { return at(column); });
    if (value.is_null) return std::nullopt;
    return pg::from_datum<T>(value.datum);
  }

  // Whether the column is what it is in the other row.
  bool is(const Row& other, const char* column) const {
    return pg::call([&] {
      const pg::NullableValue a = at(column);
      const pg::NullableValue b = other.at(column);
      if (a.is_null || b.is_null) return a.is_null == b.is_null;
      const FormData_pg_attribute* attribute = TupleDescAttr(type_, number(column) - 1);
      return datum_image_eq(a.datum, b.datum, attribute->attbyval, attribute->attlen);
    });
  }

  HeapTuple with_secret(const std::vector<std::byte>& envelope) const {
    return pg::call([&] {
      int columns[] = {number("secret"), number("envelope")};
      Datum values[] = {pg::pack(core::kSealedSecret).datum, pg::pack(pg::Bytes{envelope}).datum};
      bool nulls[] = {false, false};
      return heap_modify_tuple_by_cols(tuple_, type_, 2, columns, values, nulls);
    });
  }

 private:
  int number(const char* column) const {
    const int found = SPI_fnumber(type_, column);
    if (found <= 0) elog(ERROR, "keypool.alert_webhooks has no column \"%s\"", column);
    return found;
  }
  pg::NullableValue at(const char* column) const {
    pg::NullableValue value = {};
    value.datum = heap_getattr(tuple_, number(column), type_, &value.is_null);
    return value;
  }

  TupleDesc type_;
  HeapTuple tuple_;
};

void check_row(const Row& row) {
  if (const auto url = row.optional<std::string_view>("url")) core::check_webhook_url(*url);
  if (const auto events = row.optional<Texts>("events")) core::check_webhook_events(*events);
}

// An envelope is of use with the row it was made for only.
void check_kept_secret(const Row& row, const Row* before) {
  const bool as_it_was =
      before == nullptr || (row.is(*before, "id") && row.is(*before, "envelope"));
  if (as_it_was && row.optional<pg::Bytes>("envelope")) return;
  throw core::Error(core::ErrorCode::kForbidden,
                    "a webhook's secret cannot be taken over from another row", {},
                    "Give the secret itself: it is sealed anew.");
}

// guard_webhook() → trigger: before each row of keypool.alert_webhooks that is written
Datum guard_webhook(const pg::Args& args) {
  const TriggerData& trigger = own_trigger(args, "guard_webhook");
  const bool updates = TRIGGER_FIRED_BY_UPDATE(trigger.tg_event);
  if (!TRIGGER_FIRED_FOR_ROW(trigger.tg_event) ||
      (!updates && !TRIGGER_FIRED_BY_INSERT(trigger.tg_event))) {
    throw core::Error(core::ErrorCode::kInvalidArgument,
                      "guard_webhook must be called by a row trigger for INSERT or UPDATE");
  }
  HeapTuple tuple = updates ? trigger.tg_newtuple : trigger.tg_trigtuple;
  const Row row(trigger, tuple);
  const auto secret = row.optional<std::string_view>("secret");
  if (secret == core::kSealedSecret) {
    const Row before(trigger, trigger.tg_trigtuple);
    check_row(row);
    check_kept_secret(row, updates ? &before : nullptr);
    return PointerGetDatum(tuple);
  }
  const HiddenStatement hidden("INSERT INTO or UPDATE keypool.alert_webhooks ...");
  check_row(row);
  const auto id = row.optional<std::int64_t>("id");
  if (!id) return PointerGetDatum(tuple);  // which its constraint refuses
  return PointerGetDatum(row.with_secret(seal_webhook(*id, secret.value_or(""))));
}

// add_webhook(url text, secret text, events text[], description text, enabled bool) → bigint
Datum add_webhook(const pg::Args& args) {
  const HiddenStatement hidden("SELECT add_webhook(...)");
  require_writable("add_webhook()");
  const auto url = args.get<std::string_view>(0);
  const auto secret = args.get<std::string_view>(1);
  const auto events = args.optional<Texts>(2);
  const auto description = args.optional<std::string_view>(3);
  const auto enabled = args.get<bool>(4);
  core::check_webhook_url(url);
  if (events) core::check_webhook_events(*events);

  const pg::ActAs role(store::catalog().owner);
  pg::Session session;
  const pg::Rows next = session.run("SELECT nextval('keypool.alert_webhooks_id_seq')");
  const auto id = next.get<std::int64_t>(0, 0);
  const std::vector<std::byte> envelope = seal_webhook(id, secret);
  session.run(
      "INSERT INTO keypool.alert_webhooks"
      " (id, url, secret, envelope, events, description, enabled)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7)",
      id, url, core::kSealedSecret, pg::Bytes{envelope}, events, description, enabled);
  return pg::to_datum(id);
}

}  // namespace

KEYPOOL_FUNCTION(guard_webhook, guard_webhook);
KEYPOOL_AUDITED_FUNCTION(add_webhook, add_webhook, kNone);

}  // namespace keypool::api
