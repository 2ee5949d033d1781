// One request on its way into the log: repeat or new, whose, at what cost. What log_request and
// log_requests share.
//
// Writes as the tables' owner. Throws core::Error and PgError; needs a transaction.
#pragma once

#include <cstdint>

#include "api/request_arguments.hpp"

namespace keypool::api {

struct WrittenRequest {
  std::int64_t id;
  bool is_new;  // false: it was logged before under this request_id and attempt
};

WrittenRequest write_request(const RequestArguments& request);

}  // namespace keypool::api
