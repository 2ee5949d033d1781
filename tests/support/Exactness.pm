# What the views say, next to what a plain GROUP BY over the request log says.
#
#   Exactness::install($node);                        # once, into the database postgres
#   is(Exactness::differences($node), '', 'exact');   # one snapshot for everything
package Exactness;

use strict;
use warnings;

use KeypoolCluster;

my $log = 'keypool.chat_completion_requests';
my $failed = q{error_type IS NOT NULL OR http_status >= 400 OR status IN ('failed', 'error')};

# Figures of tracking and of usage, as all views have them in common.
my $tracking = q{count(*), count(api_key_id), count(*) - count(api_key_id),
	count(*) FILTER (WHERE is_anonymous),
	count(*) FILTER (WHERE api_key_id IS NULL AND NOT is_anonymous),
	round(100.0 * count(api_key_id) / count(*), 2)};
my $usage = qq{count(*), count(*) FILTER (WHERE $failed), sum(input_tokens) + sum(output_tokens),
	sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(cost_usd),
	count(*) FILTER (WHERE cost_usd IS NULL)};
my $day = q{(created_at AT TIME ZONE 'UTC')::date};

# Of each pair both queries answer the same rows.
my %pairs = (
	tracking_rollup => [
		q{SELECT bucket, sum(requests), sum(with_key), sum(anonymous), sum(user_without_key),
			sum(neither_user_nor_key)
		  FROM (SELECT * FROM keypool.tracking_rollup
				UNION ALL
				SELECT bucket, requests, CASE WHEN api_key_id IS NOT NULL THEN requests ELSE 0 END,
					CASE WHEN is_anonymous THEN requests ELSE 0 END,
					CASE WHEN api_key_id IS NULL AND user_id IS NOT NULL THEN requests ELSE 0 END,
					CASE WHEN api_key_id IS NULL AND user_id IS NULL AND NOT is_anonymous
						THEN requests ELSE 0 END
				FROM keypool.unfolded_requests()) AS parts
		  GROUP BY 1 HAVING sum(requests) <> 0},
		qq{SELECT date_bin('15 min', created_at, '2000-01-01 00:00+00'), count(*),
			count(api_key_id), count(*) FILTER (WHERE is_anonymous),
			count(*) FILTER (WHERE api_key_id IS NULL AND user_id IS NOT NULL),
			count(*) FILTER (WHERE api_key_id IS NULL AND user_id IS NULL AND NOT is_anonymous)
		  FROM $log GROUP BY 1} ],
	usage_rollup => [
		q{SELECT day, provider, model, user_id, organization_id, api_key_id, key_source,
			is_anonymous, sum(requests), sum(errors), sum(input_tokens), sum(output_tokens),
			sum(cached_tokens), sum(cost_nano), sum(unpriced), sum(timed), sum(time_ms)
		  FROM (SELECT * FROM keypool.usage_rollup
				UNION ALL
				SELECT (bucket AT TIME ZONE 'UTC')::date, provider, model, user_id,
					organization_id, api_key_id, key_source, is_anonymous, requests, errors,
					input_tokens, output_tokens, cached_tokens, cost_nano, unpriced, timed, time_ms
				FROM keypool.unfolded_requests()) AS parts
		  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(requests) <> 0},
		qq{SELECT $day, provider, model, user_id, organization_id, api_key_id, key_source,
			is_anonymous, count(*), count(*) FILTER (WHERE $failed), sum(input_tokens),
			sum(output_tokens), sum(cached_tokens), coalesce(sum(cost_usd), 0) * 1000000000,
			count(*) FILTER (WHERE cost_usd IS NULL), count(processing_time_ms),
			coalesce(sum(processing_time_ms), 0)
		  FROM $log GROUP BY 1, 2, 3, 4, 5, 6, 7, 8} ],
	api_key_tracking_quality => [
		q{SELECT hour, total_requests, requests_with_api_key, requests_without_api_key,
			anonymous_requests, potential_lookup_failures, tracking_rate_percent
		  FROM keypool.api_key_tracking_quality},
		qq{SELECT date_trunc('hour', created_at), $tracking FROM $log
		  WHERE created_at >= date_trunc('hour', now() - interval '7 days') GROUP BY 1} ],
	api_key_tracking_trend => [
		q{SELECT day, total_requests, requests_with_api_key, requests_without_api_key,
			anonymous_requests, potential_lookup_failures, tracking_rate_percent
		  FROM keypool.api_key_tracking_trend},
		qq{SELECT created_at::date, $tracking FROM $log
		  WHERE created_at >= date_trunc('day', now() - interval '30 days') GROUP BY 1} ],
	key_source_usage => [
		q{SELECT day, user_id, key_source, requests, errors, tokens, input_tokens, output_tokens,
			cached_tokens, cost_usd, unpriced_requests FROM keypool.key_source_usage},
		qq{SELECT $day, r.user_id, coalesce(r.key_source, k.key_source,
				CASE WHEN is_anonymous THEN 'anonymous' ELSE 'unknown' END), $usage
		  FROM (SELECT * FROM $log) AS r
		  LEFT JOIN (SELECT id AS key_id, key_source FROM keypool.api_keys) AS k
			ON key_id = api_key_id
		  GROUP BY 1, 2, 3} ],
	request_costs => [
		q{SELECT day, user_id, organization_id, provider, model, api_key_id, requests, errors,
			tokens, input_tokens, output_tokens, cached_tokens, cost_usd, unpriced_requests
		  FROM keypool.request_costs},
		qq{SELECT $day, user_id, organization_id, provider, model, api_key_id, $usage
		  FROM $log GROUP BY 1, 2, 3, 4, 5, 6} ],
	model_comparison => [
		q{SELECT provider, model, requests, errors, tokens, input_tokens, output_tokens,
			cached_tokens, cost_usd, unpriced_requests, error_rate, avg_latency_ms
		  FROM keypool.model_comparison},
		qq{SELECT provider, model, $usage, round(1.0 * count(*) FILTER (WHERE $failed) / count(*), 4),
			round(avg(processing_time_ms), 1)
		  FROM $log GROUP BY 1, 2} ],
);

# A function of the test's own that returns every row that one side has and the other lacks.
sub install
{
	my ($node) = @_;
	my $parts = join "\nUNION ALL\n", map {
		my ($view, $plain) = @{ $pairs{$_} };
		"(SELECT '$_ says', d::text FROM (($view) EXCEPT ALL ($plain)) AS d LIMIT 5)
		 UNION ALL (SELECT '$_ lacks', d::text FROM (($plain) EXCEPT ALL ($view)) AS d LIMIT 5)"
	} sort keys %pairs;
	$node->safe_psql('postgres', "CREATE FUNCTION differences() RETURNS TABLE (side text, line text)
		LANGUAGE sql AS \$f\$ $parts \$f\$");
	return;
}

# In one snapshot. TRUNCATE and the end of a partition do not respect snapshots: hence the lock, and
# before there is one.
my $compare = q{
	BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
	LOCK TABLE keypool.chat_completion_requests IN ACCESS SHARE MODE;
	SELECT * FROM differences();
	COMMIT;};

sub differences { my ($node) = @_; return $node->safe_psql('postgres', $compare) }

# Nothing when the server did not answer, as just after a crash.
sub try_differences
{
	my ($node) = @_;
	return KeypoolCluster::try_sql($node, $compare);
}

1;
