# What the budgets have spent according to keypool.budget_status, next to a plain sum over the
# request log. The sum knows nothing of periods, books or steps but what the documentation says.
#
#   BudgetTruth::install($node, 'postgres');
#   is(BudgetTruth::differences($node, 'postgres'), '', 'exact');    # one snapshot for everything
package BudgetTruth;

use strict;
use warnings;

use KeypoolCluster;

# Each budget with what it counts now: since when and up to when.
my $running = q{
	SELECT b.id, b.scope, b.scope_id, b.period,
		CASE b.period
			WHEN 'total' THEN '-infinity'
			WHEN 'rolling' THEN
				date_bin(r.step, now(), '2000-01-01 00:00+00')
				- ceil(extract(epoch FROM b.rolling_window) / extract(epoch FROM r.step)) * r.step
			ELSE t.start AT TIME ZONE b.time_zone END AS starts,
		CASE b.period
			WHEN 'total' THEN 'infinity'
			WHEN 'rolling' THEN date_bin(r.step, now(), '2000-01-01 00:00+00') + r.step
			ELSE (t.start + ('1 ' || b.period)::interval) AT TIME ZONE b.time_zone END AS ends
	FROM keypool.budgets b
	LEFT JOIN LATERAL (SELECT ceil(ceil(extract(epoch FROM b.rolling_window) * 1000000 / 21)
			/ 900000000) * interval '15 minutes' AS step) r ON b.period = 'rolling'
	CROSS JOIN LATERAL (SELECT date_trunc(
			CASE WHEN b.period IN ('total', 'rolling') THEN 'day' ELSE b.period END,
			now() AT TIME ZONE b.time_zone) AS start) t};

# Every request once for each scope that it has a subject of.
my $charges = q{
	SELECT s.scope, s.subject, r.created_at,
		coalesce(r.cost_usd, current_setting('keypool.unknown_request_cost')::numeric) AS usd
	FROM keypool.chat_completion_requests r
	CROSS JOIN LATERAL (VALUES ('global', ''), ('provider', nullif(r.provider, '')),
		('organization', nullif(r.organization_id, '')), ('user', nullif(r.user_id, '')),
		('key', r.api_key_id::text), ('model', nullif(r.model, '')),
		('anonymous', CASE WHEN coalesce(r.user_id, '') = '' AND coalesce(r.organization_id, '') = ''
			THEN '' END)) s (scope, subject)
	WHERE s.subject IS NOT NULL};

# A budget for one has a row in any case, a budget for each only for those who have spent.
my $truth = qq{
	SELECT b.id, c.subject, sum(c.usd)
	FROM ($running) b
	CROSS JOIN LATERAL (
		SELECT l.subject, l.usd FROM ($charges) l
		WHERE l.scope = b.scope AND l.created_at >= b.starts AND l.created_at < b.ends
			AND (b.scope_id = '*' OR l.subject = coalesce(b.scope_id, ''))
			AND NOT (b.scope_id IS NOT DISTINCT FROM '*' AND EXISTS (
				SELECT FROM keypool.budgets own WHERE own.enabled AND own.scope = b.scope
					AND own.scope_id = l.subject AND own.period = b.period))
		UNION ALL
		SELECT coalesce(b.scope_id, ''), 0 WHERE b.scope_id IS DISTINCT FROM '*') c
	GROUP BY b.id, b.scope_id, c.subject
	HAVING b.scope_id IS DISTINCT FROM '*' OR sum(c.usd) <> 0};

# A function of the test's own that returns every row that one side has and the other lacks.
sub install
{
	my ($node, $database) = @_;
	my $view = q{SELECT budget_id, subject, spent_usd FROM keypool.budget_status};
	$node->safe_psql($database, "CREATE FUNCTION budget_differences()
		RETURNS TABLE (side text, line text) LANGUAGE sql AS \$f\$
			(SELECT 'budget_status says', d::text FROM (($view) EXCEPT ALL ($truth)) AS d LIMIT 5)
			UNION ALL
			(SELECT 'budget_status lacks', d::text FROM (($truth) EXCEPT ALL ($view)) AS d LIMIT 5)
		\$f\$");
	return;
}

# TRUNCATE does not respect snapshots: hence the lock, and before there is one.
my $compare = q{
	BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
	LOCK TABLE keypool.chat_completion_requests IN ACCESS SHARE MODE;
	SELECT * FROM budget_differences();
	COMMIT;};

sub differences { my ($node, $database) = @_; return $node->safe_psql($database, $compare) }

# Nothing when the server did not answer, as just after a crash.
sub try_differences
{
	my ($node) = @_;
	return KeypoolCluster::try_sql($node, $compare);
}

1;
