// The columns of our tables by number, as sql/install/20_tables.sql defines them, for C code that
// scans tuples. Upgrades add columns at the end, so the numbers stay.
#pragma once

namespace keypool::store {

namespace provider_column {
enum {
  kName = 1,
  kDisplayName,
  kAliases,
  kBaseUrl,
  kAuthStyle,
  kCheckPath,
  kKeyPattern,
  kHeaderNames,
  kEnvNames,
  kStrategy,
  kRotationInterval,
  kFallbackOrder,
  kHealthCheck,
  kEnabled,
  kBuiltin,
  kEnd
};
}

namespace data_key_column {
enum { kNumber = 1, kPurpose, kWrapped, kRootId, kCreatedAt, kRetiredAt, kEnd };
}

namespace api_key_column {
enum {
  kId = 1,
  kProvider,
  kName,
  kUserId,
  kOrganizationId,
  kKeySource,
  kOwner,
  kEnvelope,
  kFingerprint,
  kHint,
  kRateLimit,
  kRequestsPerMinute,
  kTokensPerMinute,
  kMaxConcurrency,
  kDailyCostLimit,
  kWeight,
  kModels,
  kRegion,
  kBaseUrl,
  kExpiresAt,
  kEnabled,
  kCreatedAt,
  kRotatedAt,
  kRevokedAt,
  kRevokeReason,
  kRotationInterval,
  kEnd
};
}

namespace key_state_column {
enum {
  kKeyId = 1,
  kState,
  kCooldownUntil,
  kFailureClass,
  kFailureStreak,
  kLastError,
  kLastErrorAt,
  kLastCheckedAt,
  kCheckStatus,
  kCheckLatencyMs,
  kNextCheckAt,
  kPicks,
  kRequests,
  kErrors,
  kTokens,
  kCostNano,
  kCostTodayNano,
  kCostDay,
  kLastUsedAt,
  kModelBlocks,
  kUpdatedAt,
  kLimitCounts,
  kEnd
};
}

namespace request_column {
enum {
  kId = 1,
  kCreatedAt,
  kXid,
  kProvider,
  kModel,
  kUserId,
  kOrganizationId,
  kApiKeyId,
  kApiKeyFingerprint,
  kKeySource,
  kIsAnonymous,
  kLeaseId,
  kInputTokens,
  kOutputTokens,
  kCachedTokens,
  kCostUsd,
  kInputCostUsd,
  kOutputCostUsd,
  kPricingSource,
  kProcessingTimeMs,
  kStatus,
  kHttpStatus,
  kErrorType,
  kErrorMessage,
  kRequestId,
  kAttempt,
  kSessionId,
  kTraceId,
  kLookupAttempts,
  kLookupStatus,
  kMetadata,
  kEnd
};
}

namespace model_price_column {
enum {
  kProvider = 1,
  kModel,
  kInputCost,
  kOutputCost,
  kCachedInputCost,
  kValidFrom,
  kSource,
  kBuiltin,
  kEnd
};
}

namespace request_change_column {
enum {
  kXid = 1,
  kRowXid,
  kCreatedAt,
  kProvider,
  kModel,
  kUserId,
  kOrganizationId,
  kApiKeyId,
  kKeySource,
  kIsAnonymous,
  kFailed,
  kInputTokens,
  kOutputTokens,
  kCachedTokens,
  kCostUsd,
  kProcessingTimeMs,
  kEnd
};
}

namespace caller_limit_column {
enum { kId = 1, kScope, kName, kPicksPerMinute, kPicksPerHour, kEnabled, kEnd };
}

namespace webhook_column {
enum { kId = 1, kUrl, kSecret, kEnvelope, kEvents, kEnabled, kDescription, kCreatedAt, kEnd };
}

namespace audit_log_column {
enum {
  kId = 1,
  kAt,
  kAction,
  kOutcome,
  kSessionRole,
  kActingRole,
  kClientAddress,
  kApplication,
  kKeyId,
  kProvider,
  kTimes,
  kDetails,
  kPreviousHash,
  kHash,
  kEnd
};
}

namespace budget_column {
enum {
  kId = 1,
  kName,
  kScope,
  kScopeId,
  kPeriod,
  kRollingWindow,
  kTimeZone,
  kLimitUsd,
  kAction,
  kFallbackModel,
  kFailMode,
  kEnabled,
  kCreatedAt,
  kCountsFrom,
  kEnd
};
}

}  // namespace keypool::store
