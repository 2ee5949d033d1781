#include "api/request_write.hpp"

#include <string>

#include "api/answer_headers.hpp"
#include "api/request_identity.hpp"
#include "core/price.hpp"
#include "core/scrub.hpp"
#include "store/coherence.hpp"
#include "store/prices.hpp"
#include "store/provider_name.hpp"
#include "store/request_log.hpp"
#include "store/shared_pool.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

namespace {

constexpr std::size_t kMaxMessage = 8192;

// Providers echo keys in what they answer.
std::string readable_message(const RequestArguments& request) {
  if (!request.error_message) return {};
  std::string message = core::scrub(core::beginning(*request.error_message, kMaxMessage),
                                    request.api_key.value_or(""));
  core::cut_utf8(message, kMaxMessage);
  return message;
}

// A cost that is not known is none, and not zero.
void set_cost(store::NewRequest& row, const RequestArguments& request) {
  row.pricing_source = "given";
  row.cost_nano = request.cost_nano;
  if (row.cost_nano) return;
  row.pricing_source = "unknown";
  const auto price = store::price_at(row.provider, row.model, row.created_at);
  if (!price) return;
  const auto cost =
      core::cost_of(*price, {request.input_tokens, request.output_tokens, request.cached_tokens});
  if (!cost) return;
  row.pricing_source = "model_prices";
  row.cost_nano = cost->total_nano();
  row.input_cost_nano = cost->input_nano;
  row.output_cost_nano = cost->output_nano;
}

std::optional<pg::Json> as_json(const std::optional<Datum>& document) {
  if (!document) return std::nullopt;
  return pg::from_datum<pg::Json>(*document);
}

store::NewRequest new_row(const RequestArguments& request, std::string_view provider,
                          const RequestIdentity& who) {
  return {.created_at = request.created_at,
          .provider = provider,
          .model = request.model,
          .user_id = who.user(),
          .organization_id = who.organization(),
          .api_key_id = who.key_id(),
          .api_key_fingerprint = who.fingerprint(),
          .key_source = who.key_source(),
          .is_anonymous = who.is_anonymous(),
          .lease_id = request.lease_id,
          .input_tokens = request.input_tokens,
          .output_tokens = request.output_tokens,
          .cached_tokens = request.cached_tokens,
          .processing_time_ms = request.processing_time_ms,
          .status = request.status,
          .http_status = request.http_status,
          .error_type = request.error_type,
          .request_id = request.request_id,
          .attempt = request.attempt,
          .session_id = request.session_id,
          .trace_id = request.trace_id,
          .metadata = request.metadata};
}

}  // namespace

WrittenRequest write_request(const RequestArguments& request) {
  store::catch_up();
  core::Database& database = store::current_database();
  const store::ProviderName provider = store::provider_name(database, request.provider);
  if (request.request_id) {
    const auto before =
        store::find_request(*request.request_id, request.attempt, request.created_at);
    if (before) return {*before, false};
  }
  const RequestIdentity who(database, request);
  store::NewRequest row = new_row(request, provider.view(), who);
  set_cost(row, request);
  const AnswerHeaders headers(as_json(request.headers));
  row.headers = headers.fields();
  const std::string message = readable_message(request);
  if (!message.empty()) row.error_message = message;
  return {store::insert_request(row), true};
}

}  // namespace keypool::api
