// check_key and check_keys: the worker is asked, its answers are passed on as they come.
#include <algorithm>
#include <string>
#include <string_view>

#include "api/audited.hpp"
#include "api/provider_names.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "store/check_channel.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

Datum pass_on(const pg::Args& args, const store::CheckQuestion& question) {
  pg::RowSet rows(args);
  store::CheckInquiry inquiry(question);
  while (const auto result = inquiry.next()) {
    rows.add(result->key_id, result->healthy, result->status, result->http_status,
             result->latency_ms, result->error, pg::Instant{result->checked_at});
  }
  return rows.finish();
}

// check_key(key_id bigint)
Datum check_key(const pg::Args& args) {
  store::note_audit({"check_key", args.get<std::int64_t>(0), {}, {}});
  return pass_on(args, {.scope = store::CheckScope::kKey, .key_id = args.get<std::int64_t>(0)});
}

// check_keys(provider text = NULL)
Datum check_keys(const pg::Args& args) {
  const auto provider = args.optional<std::string_view>(0);
  store::CheckQuestion question = {.scope = store::CheckScope::kAll};
  if (provider) {
    question.scope = store::CheckScope::kProvider;
    const std::string name = ProviderNames().find(*provider).name;
    std::copy_n(name.begin(), std::min(name.size(), question.provider.size() - 1),
                question.provider.begin());
  }
  store::note_audit({"check_keys", 0, question.provider.data(), {}});
  return pass_on(args, question);
}

}  // namespace

KEYPOOL_AUDITED_FUNCTION(check_key, check_key, kKeyId);
KEYPOOL_AUDITED_FUNCTION(check_keys, check_keys, kProvider);

}  // namespace keypool::api
