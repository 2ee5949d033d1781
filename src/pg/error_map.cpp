#include "pg/error_map.hpp"

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

int sqlstate(core::ErrorCode code) noexcept {
  using core::ErrorCode;
  switch (code) {
    case ErrorCode::kNoKeyAvailable:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '1');
    case ErrorCode::kLimitExceeded:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '2');
    case ErrorCode::kInvalidKeyFormat:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '3');
    case ErrorCode::kDecryptionFailed:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '4');
    case ErrorCode::kRootKeyUnavailable:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '5');
    case ErrorCode::kUnknownProvider:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '6');
    case ErrorCode::kWorkerUnavailable:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '7');
    case ErrorCode::kLeaseUnknown:
      return MAKE_SQLSTATE('K', 'P', '0', '0', '8');
    case ErrorCode::kInvalidArgument:
      return ERRCODE_INVALID_PARAMETER_VALUE;
    case ErrorCode::kDuplicateKey:
      return ERRCODE_UNIQUE_VIOLATION;
    case ErrorCode::kForbidden:
      return ERRCODE_INSUFFICIENT_PRIVILEGE;
    case ErrorCode::kUndefinedKey:
      return ERRCODE_UNDEFINED_OBJECT;
    case ErrorCode::kTooLarge:
      return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    case ErrorCode::kConfigurationLimit:
      return ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
    case ErrorCode::kNotReady:
      return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    case ErrorCode::kInternal:
      return ERRCODE_INTERNAL_ERROR;
  }
  return ERRCODE_INTERNAL_ERROR;
}

void report(int level, const core::Error& error) {
  const char* message = error.message().c_str();
  const char* detail = error.detail().empty() ? nullptr : error.detail().c_str();
  const char* hint = error.hint().empty() ? nullptr : error.hint().c_str();
  const int code = sqlstate(error.code());
  call([=] {
    ereport(level, (errcode(code), errmsg_internal("%s", message),
                    detail != nullptr ? errdetail_internal("%s", detail) : 0,
                    hint != nullptr ? errhint("%s", hint) : 0));
  });
}

}  // namespace keypool::pg
