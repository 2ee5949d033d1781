// rotate_data_key: a new data key, under which the worker seals everything anew; and what is known
// of its progress.
#include <optional>
#include <string>
#include <string_view>

#include "api/audited.hpp"
#include "api/key_write.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "store/audit.hpp"
#include "store/coherence.hpp"
#include "store/keyring.hpp"
#include "store/reencryption_board.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// rotate_data_key() → int
Datum rotate_data_key(const pg::Args&) {
  require_writable("rotate_data_key()");
  const auto number = static_cast<std::int32_t>(store::add_data_key());
  // The worker looks again when that is committed.
  store::mark_mirrored_changed();
  store::note_audit(
      {.action = "rotate_data_key", .details = "{\"data_key\": " + std::to_string(number) + "}"});
  return pg::to_datum(number);
}

std::optional<pg::Instant> instant(core::Micros time) {
  if (time == 0) return std::nullopt;
  return pg::Instant{time};
}

// TABLE(state text, data_key int, done bigint, remaining bigint, failed bigint, started_at
// timestamptz, finished_at timestamptz, root_key text, root_failed bool)
Datum reencryption_report(const pg::Args& args) {
  const store::ReencryptionReports reports = store::reencryption_reports(MyDatabaseId);
  const store::ReencryptionReport& report = reports.data_key;
  const std::string_view root(reports.root_key.newest.data());
  pg::RowSet rows(args);
  rows.add(store::name(report.state), static_cast<std::int32_t>(report.data_key), report.done,
           report.left, report.failed, instant(report.started_at), instant(report.finished_at),
           root.empty() ? std::nullopt : std::optional(root), reports.root_key.failed);
  return rows.finish();
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(rotate_data_key, rotate_data_key, kNone);
KEYPOOL_FUNCTION(reencryption_report, reencryption_report);

}  // namespace keypool::api
