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
  kEnd
};
}

}  // namespace keypool::store
