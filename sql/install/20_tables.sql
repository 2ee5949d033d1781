-- Tables. Shared memory is only ever a cache of them: whatever must survive a crash stands here.
--
-- Text that shared memory and C index scans compare is COLLATE "C", so that both order alike.

CREATE TABLE keypool.providers (
  name              text COLLATE "C" PRIMARY KEY
                    CHECK (name ~ '^[a-z0-9][a-z0-9_.-]*$' AND octet_length(name) <= 63),
  display_name      text NOT NULL,
  aliases           text[] NOT NULL DEFAULT '{}' CHECK (cardinality(aliases) <= 8),
  -- Without credentials: URLs are shown and logged, by us and by everybody on the way.
  base_url          text CHECK (base_url ~ '^https?://[^[:space:]]+$'
                                AND base_url !~ '^https?://[^/?#]*@'
                                AND octet_length(base_url) <= 255),
  auth_style        text NOT NULL DEFAULT 'bearer'
                    CHECK (auth_style IN ('bearer', 'x-api-key', 'x-goog-api-key', 'api-key',
                                          'none')),
  check_path        text CHECK (check_path ~ '^(/|https?://)[^[:space:]]*$'),
  key_pattern       text,
  header_names      text[] NOT NULL DEFAULT '{}',
  env_names         text[] NOT NULL DEFAULT '{}',
  strategy          text CHECK (strategy IN ('round_robin', 'least_used', 'cost_optimized',
                                        'random', 'single', 'least_busy', 'lowest_latency',
                                        'usage_based')),
  rotation_interval interval NOT NULL DEFAULT '0' CHECK (rotation_interval >= '0'),
  fallback_order    int,
  health_check      bool NOT NULL DEFAULT true,
  enabled           bool NOT NULL DEFAULT true,
  builtin           bool NOT NULL DEFAULT false
);

CREATE TABLE keypool.data_keys (
  number     int PRIMARY KEY CHECK (number > 0),
  purpose    text NOT NULL CHECK (purpose IN ('data', 'fingerprint')),
  wrapped    bytea NOT NULL,
  root_id    bytea NOT NULL CHECK (octet_length(root_id) = 16),
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Since when nothing is sealed under it any more.
  retired_at timestamptz
);
CREATE UNIQUE INDEX data_keys_one_fingerprint_key ON keypool.data_keys (purpose)
  WHERE purpose = 'fingerprint';

CREATE SEQUENCE keypool.api_keys_id_seq;

CREATE TABLE keypool.api_keys (
  id                  bigint PRIMARY KEY DEFAULT nextval('keypool.api_keys_id_seq'),
  provider            text COLLATE "C" NOT NULL REFERENCES keypool.providers (name),
  name                text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 47),
  user_id             text COLLATE "C" CHECK (octet_length(user_id) BETWEEN 1 AND 255),
  organization_id     text COLLATE "C" CHECK (octet_length(organization_id) BETWEEN 1 AND 255),
  key_source          text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
                        CASE WHEN user_id IS NOT NULL THEN 'user'
                             WHEN organization_id IS NOT NULL THEN 'organization'
                             ELSE 'system' END) STORED,
  owner               text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
                        coalesce(user_id, organization_id, '')) STORED,
  envelope            bytea,
  fingerprint         bytea CHECK (octet_length(fingerprint) = 32),
  hint                text NOT NULL,
  rate_limit          int CHECK (rate_limit > 0),
  requests_per_minute int CHECK (requests_per_minute > 0),
  tokens_per_minute   int CHECK (tokens_per_minute > 0),
  max_concurrency     int CHECK (max_concurrency > 0),
  daily_cost_limit    numeric CHECK (daily_cost_limit > 0 AND daily_cost_limit < 1e9),
  weight              float8 NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0.001 AND 1000),
  models              text[] CHECK (cardinality(models) BETWEEN 1 AND 8),
  region              text COLLATE "C" CHECK (octet_length(region) BETWEEN 1 AND 31),
  base_url            text CHECK (base_url ~ '^https?://[^[:space:]]+$'
                                  AND base_url !~ '^https?://[^/?#]*@'
                                  AND octet_length(base_url) <= 255),
  expires_at          timestamptz,
  enabled             bool NOT NULL DEFAULT true,
  created_at          timestamptz NOT NULL DEFAULT now(),
  rotated_at          timestamptz,
  revoked_at          timestamptz,
  revoke_reason       text,
  rotation_interval   interval CHECK (rotation_interval > '0'),
  -- A revoked key keeps its row for joins and nothing that is secret.
  CHECK ((revoked_at IS NULL) = (envelope IS NOT NULL)),
  CHECK ((envelope IS NULL) = (fingerprint IS NULL))
) WITH (fillfactor = 45);  -- sealed anew under another data key, a row stays on its page
-- The pool mirrors system and organization keys whole: this index holds just those.
CREATE INDEX api_keys_mirrored ON keypool.api_keys (provider, key_source, owner, id)
  WHERE key_source <> 'user' AND revoked_at IS NULL;
-- User keys, of which there may be millions, are found by their owner.
CREATE INDEX api_keys_user ON keypool.api_keys (user_id, provider)
  WHERE user_id IS NOT NULL AND revoked_at IS NULL;
-- How many a user has revoked of late.
CREATE INDEX api_keys_user_revoked ON keypool.api_keys (user_id, revoked_at)
  WHERE user_id IS NOT NULL AND revoked_at IS NOT NULL;
CREATE UNIQUE INDEX api_keys_name ON keypool.api_keys (provider, key_source, owner, name)
  WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX api_keys_secret ON keypool.api_keys (fingerprint, provider, key_source, owner)
  WHERE revoked_at IS NULL;
-- Those that are to be replaced now and then, which may be few among millions.
CREATE INDEX api_keys_rotation ON keypool.api_keys (id)
  WHERE rotation_interval IS NOT NULL AND revoked_at IS NULL;

-- What the world taught us of a key. The worker writes it from shared memory, every second and at
-- shutdown; the pool starts from it after a restart. No foreign key: a write must never wait for,
-- or fail on, somebody who changes the key meanwhile.
CREATE TABLE keypool.key_state (
  key_id           bigint PRIMARY KEY,
  state            text NOT NULL DEFAULT 'healthy'
                   CHECK (state IN ('healthy', 'cooling', 'unhealthy', 'half_open')),
  cooldown_until   timestamptz,
  failure_class    text,
  failure_streak   int NOT NULL DEFAULT 0,
  last_error       text,
  last_error_at    timestamptz,
  last_checked_at  timestamptz,
  check_status     text,
  check_latency_ms int,
  next_check_at    timestamptz,
  picks            bigint NOT NULL DEFAULT 0,
  requests         bigint NOT NULL DEFAULT 0,
  errors           bigint NOT NULL DEFAULT 0,
  tokens           bigint NOT NULL DEFAULT 0,
  cost_nano        bigint NOT NULL DEFAULT 0,
  cost_today_nano  bigint NOT NULL DEFAULT 0,
  cost_day         date,
  last_used_at     timestamptz,
  model_blocks     text,
  updated_at       timestamptz NOT NULL DEFAULT now(),
  limit_counts     text
) WITH (fillfactor = 50);  -- rewritten in place every second: room for heap-only updates

CREATE TABLE keypool.alerts (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind         text NOT NULL,
  subject      text NOT NULL,
  severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  provider     text,
  key_id       bigint,
  message      text NOT NULL,
  details      jsonb NOT NULL DEFAULT '{}',
  raised_at    timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  cleared_at   timestamptz
);
-- One alert per cause until it clears.
CREATE UNIQUE INDEX alerts_one_per_cause ON keypool.alerts (kind, subject) WHERE cleared_at IS NULL;
CREATE INDEX alerts_raised ON keypool.alerts (raised_at);

SELECT pg_catalog.pg_extension_config_dump('keypool.providers', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('keypool.data_keys', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.api_keys', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.api_keys_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.key_state', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.alerts', '');
SELECT pg_catalog.pg_extension_config_dump('keypool.alerts_id_seq', '');
