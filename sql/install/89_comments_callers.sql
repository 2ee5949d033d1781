-- Limits of callers: comments.

COMMENT ON TABLE keypool.caller_limits
IS 'How many picks a role or a user may make; a change is in force with every session''s next transaction.';
COMMENT ON SEQUENCE keypool.caller_limits_id_seq IS 'Numbers of the rows of keypool.caller_limits.';
COMMENT ON COLUMN keypool.caller_limits.id IS 'Number of the row.';
COMMENT ON COLUMN keypool.caller_limits.scope
IS 'role: the one the session runs as, outside of SECURITY DEFINER functions; user: the argument user_id.';
COMMENT ON COLUMN keypool.caller_limits.name
IS 'Name of the role or user, or *: as many for each that has no row of its own.';
COMMENT ON COLUMN keypool.caller_limits.picks_per_minute
IS 'Picks in any minute; NULL: not limited by the minute.';
COMMENT ON COLUMN keypool.caller_limits.picks_per_hour
IS 'Picks in any hour; NULL: not limited by the hour.';
COMMENT ON COLUMN keypool.caller_limits.enabled IS 'false: as if the row were not there.';
COMMENT ON TRIGGER caller_limits_changed ON keypool.caller_limits
IS 'Has every session forget the limits it remembers, when the change commits.';

COMMENT ON FUNCTION keypool.caller_meters()
IS 'Internal: what keypool.caller_usage shows of callers that shared memory knows.';
COMMENT ON FUNCTION keypool.caller_limits_changed()
IS 'Trigger: has every session forget the limits of callers that it remembers.';

COMMENT ON VIEW keypool.caller_usage
IS 'Picks of the roles and users that are limited, and what is left to them.';
COMMENT ON COLUMN keypool.caller_usage.scope IS 'role or user.';
COMMENT ON COLUMN keypool.caller_usage.name IS 'Name of the role or user.';
COMMENT ON COLUMN keypool.caller_usage.picks_minute
IS 'Picks let in within the last minute, and up to three seconds more.';
COMMENT ON COLUMN keypool.caller_usage.picks_per_minute IS 'How many may be, or NULL.';
COMMENT ON COLUMN keypool.caller_usage.picks_per_minute_left IS 'How many more may be now.';
COMMENT ON COLUMN keypool.caller_usage.picks_hour
IS 'Picks let in within the last hour, and up to three minutes more.';
COMMENT ON COLUMN keypool.caller_usage.picks_per_hour IS 'How many may be, or NULL.';
COMMENT ON COLUMN keypool.caller_usage.picks_per_hour_left IS 'How many more may be now.';
COMMENT ON COLUMN keypool.caller_usage.free_at
IS 'When the next pick is let in, where a limit is reached.';
