// pick_key, acquire_key, release_key: the choice, decrypted for the caller.
#include <cinttypes>
#include <optional>

#include "core/secret.hpp"
#include "pg/entry.hpp"
#include "pg/result.hpp"
#include "pg/settings.hpp"
#include "store/key_base_url.hpp"
#include "api/pick_arguments.hpp"
#include "store/pick.hpp"
#include "store/report.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

// keypool.log_level_picks: off by default, because a line costs more than the pick.
void log_pick(const store::Picked& picked) {
  const auto level = static_cast<pg::PickLog>(pg::settings().log_level_picks);
  if (level == pg::PickLog::kOff) [[likely]]
    return;
  pg::call([&picked, level] {
    ereport(level == pg::PickLog::kLog ? LOG : DEBUG1,
            (errmsg("picked key %" PRId64 " of provider \"%.*s\"", picked.key_id,
                    picked.provider_size, picked.provider_text.data()),
             errhidestmt(true)));
  });
}

// pick_key(provider, user_id, organization_id, model, region) → secret
Datum pick_key(const pg::Args& args) {
  store::PickRequest request;
  request.provider = args.get<std::string_view>(0);
  request.user = args.optional<std::string_view>(1).value_or("");
  request.organization = args.optional<std::string_view>(2).value_or("");
  request.wish.model = args.optional<std::string_view>(3).value_or("");
  const auto region = args.optional<std::string_view>(4);
  if (region) request.wish.region = core::text_hash(*region);

  store::Picked picked;
  store::pick(request, picked);
  // Opened where it is returned: there is no other copy to wipe.
  const pg::NewText secret(picked.secret_size());
  store::open_picked(picked, request, secret.bytes());
  log_pick(picked);
  return secret.datum();
}

std::string base_url_of(const store::Picked& picked) {
  if (picked.has_base_url) return store::key_base_url(picked.key_id);
  return std::string(picked.base_url());
}

std::optional<std::string_view> given(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

std::string_view model_of(const store::PickRequest& request, const store::PickStory& story) {
  return story.model.empty() ? request.wish.model : std::string_view(story.model);
}

std::optional<pg::Json> tried(const store::PickStory& story) {
  return story.tried.empty() ? std::nullopt : std::optional(pg::Json{story.tried});
}

// acquire_key(…) → (lease_id, key_id, key_name, provider, key_source, strategy, secret, base_url,
// model, tried)
Datum acquire_key(const pg::Args& args) {
  const PickArguments arguments(args);
  store::PickRequest request = arguments.request();
  request.wish.lease = true;

  store::Picked picked;
  store::PickStory story;
  store::pick(request, picked, &story);
  try {
    core::Secret secret(picked.secret_size());
    store::open_picked(picked, request, secret.bytes());
    const std::string base_url = base_url_of(picked);
    log_pick(picked);
    return pg::record(args, picked.lease_id, picked.key_id, picked.key_name(), picked.provider(),
                      core::name(picked.kind), core::name(picked.strategy), secret.view(),
                      given(base_url), given(model_of(request, story)), tried(story));
  } catch (...) {
    // The caller never learns of the lease: it must not hold capacity until it expires.
    store::release_lease(store::current_database(), picked.lease_id, true);
    throw;
  }
}

// release_key(lease_id)
Datum release_key(const pg::Args& args) {
  store::release_lease(store::current_database(), args.get<std::int64_t>(0), true);
  return Datum{0};
}

}  // namespace

KEYPOOL_FUNCTION(pick_key, pick_key);
KEYPOOL_FUNCTION(acquire_key, acquire_key);
KEYPOOL_FUNCTION(release_key, release_key);

}  // namespace keypool::api
