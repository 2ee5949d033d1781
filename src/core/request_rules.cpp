#include "core/request_rules.hpp"

#include <string>

#include "core/error.hpp"
#include "core/price.hpp"

namespace keypool::core {

namespace {

void require_not_negative(const char* name, std::int64_t value) {
  if (value >= 0) [[likely]]
    return;
  throw Error(ErrorCode::kInvalidArgument, std::string(name) + " must not be negative",
              "The request says " + std::to_string(value) + ".",
              "Log 0, or leave it out, where the provider told no number.");
}

[[noreturn]] void refuse_anonymity(const RequestFacts& facts) {
  throw Error(
      ErrorCode::kInvalidArgument,
      std::string("an anonymous request cannot have ") + (facts.has_user ? "a user" : "an API key"),
      "is_anonymous = true says that nobody is known who made it.",
      "Leave is_anonymous out: it is derived from what is known.");
}

}  // namespace

void check_request(const RequestFacts& facts) {
  if (facts.is_anonymous && (facts.has_user || facts.has_key)) refuse_anonymity(facts);
  require_not_negative("input_tokens", facts.input_tokens);
  require_not_negative("output_tokens", facts.output_tokens);
  require_not_negative("cached_tokens", facts.cached_tokens);
  require_not_negative("processing_time_ms", facts.processing_time_ms);
  if (facts.cost_nano < 0) {
    throw Error(ErrorCode::kInvalidArgument, "cost_usd must not be negative", {},
                "Leave it out where the cost is not known.");
  }
  if (facts.cost_nano >= kCostLimitNano) {
    throw Error(ErrorCode::kInvalidArgument, "cost_usd must be below a million dollars", {},
                "Look at the unit: it is dollars for this one request.");
  }
  if (facts.created_at == kNever || facts.created_at == std::numeric_limits<Micros>::min()) {
    throw Error(ErrorCode::kInvalidArgument, "created_at must be finite", {},
                "It belongs to no hour and no day otherwise.");
  }
  if (facts.metadata_size > kMostMetadata) {
    throw Error(ErrorCode::kTooLarge, "metadata is larger than 1 MiB",
                "It takes " + std::to_string(facts.metadata_size) + " bytes.",
                "Keep large documents in a table of their own and log their key.");
  }
  if (facts.longest_name > kMostRequestName) {
    throw Error(ErrorCode::kTooLarge, "a name in the request is longer than 255 bytes",
                "Its longest of provider, model, user_id, organization_id and key_source has " +
                    std::to_string(facts.longest_name) + " bytes.",
                "Cut it, or keep what is long in metadata.");
  }
}

}  // namespace keypool::core
