# Many sessions against one limit, by pgbench. What they get and what they are refused is written
# down with times that enclose the moment at which it was decided, so that no delay between deciding
# and writing can accuse or excuse anybody.
#
#   Race::install($node);                               # once: the schema race
#   Race::press($node, 4, 'a script', 'another');       # 64 sessions, four seconds, any script
#   is(Race::most_in_window($node, 'minute', '1 min'), 300, 'so many in any minute');
#
# `what` names the limit: each has keys of a user of that name, unless the script says otherwise.
package Race;

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

our $SESSIONS = 64;

# An amount counts from between since and until on; as `wanted`, and once settled as `used`. KP001
# and KP002 are the answer no, for which take() returns 0; any other error fails the test.
my $schema = q{
CREATE SCHEMA race;
CREATE UNLOGGED TABLE race.taken (what text NOT NULL, since timestamptz NOT NULL,
	until timestamptz NOT NULL, lease bigint, wanted numeric NOT NULL, used numeric,
	settling timestamptz, settled timestamptz);
CREATE INDEX ON race.taken (what, since);
CREATE INDEX ON race.taken (lease);
CREATE UNLOGGED TABLE race.refused (what text NOT NULL, since timestamptz NOT NULL,
	until timestamptz NOT NULL, wanted numeric NOT NULL, message text, detail text, hint text);

CREATE FUNCTION race.pick(what text, provider text = 'openai')
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz := clock_timestamp();
BEGIN
	PERFORM pick_key(provider, what);
	INSERT INTO race.taken VALUES (what, since, clock_timestamp(), NULL, 1, 1, since, since);
	RETURN 1;
EXCEPTION WHEN SQLSTATE 'KP001' OR SQLSTATE 'KP002' THEN
	INSERT INTO race.refused VALUES (what, since, clock_timestamp(), 1, SQLERRM);
	RETURN 0;
END $$;

-- `user_id` empty: nobody.
CREATE FUNCTION race.take(what text, wanted numeric, tokens int = NULL, cost numeric = NULL,
	provider text = 'openai', user_id text = NULL, organization text = NULL, model text = NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz := clock_timestamp();
	lease bigint;
	more text;
	hint text;
BEGIN
	SELECT lease_id INTO lease FROM acquire_key(provider, nullif(coalesce(user_id, what), ''),
		organization, model, estimated_tokens => tokens, estimated_cost => cost);
	INSERT INTO race.taken VALUES (what, since, clock_timestamp(), lease, wanted);
	RETURN lease;
EXCEPTION WHEN SQLSTATE 'KP001' OR SQLSTATE 'KP002' THEN
	GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	INSERT INTO race.refused VALUES (what, since, clock_timestamp(), wanted, SQLERRM, more, hint);
	RETURN 0;
END $$;

-- The end of a lease, in its own transaction, between two notes of the time.
CREATE PROCEDURE race.release(released bigint) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE race.taken SET used = 0, settling = clock_timestamp() WHERE lease = released;
	COMMIT;
	PERFORM release_key(released);
	UPDATE race.taken SET settled = clock_timestamp() WHERE lease = released;
END $$;

CREATE PROCEDURE race.settle(logged bigint, amount numeric, tokens int, cost numeric,
	provider text = 'openai', model text = 'race-model', user_id text = NULL,
	organization text = NULL)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE race.taken SET used = amount, settling = clock_timestamp() WHERE lease = logged;
	COMMIT;
	PERFORM log_request(provider, model, user_id, organization, lease_id => logged,
		input_tokens => tokens, cost_usd => cost);
	COMMIT;
	UPDATE race.taken SET settled = clock_timestamp() WHERE lease = logged;
END $$;
};

sub install
{
	my ($node) = @_;
	$node->safe_psql('postgres', $schema);
	return;
}

# A key of a user named after the limit, with these limits; its id.
sub add_key
{
	my ($node, $what, $limits) = @_;
	return $node->safe_psql('postgres', "SELECT add_key('openai', 'sk-proj-' || repeat('k', 24)
		|| '$what', user_id => '$what', $limits)");
}

# Starts the sessions and comes back at once.
sub begin
{
	my ($node, $seconds, @scripts) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my @files = map { ('-f', "$folder/$_.sql") } 0 .. $#scripts;
	append_to_file("$folder/$_.sql", $scripts[$_]) for 0 .. $#scripts;
	my $out = '';
	my $run = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-c', $SESSIONS, '-j', 2,
		'-T', $seconds, @files, $node->connstr('postgres') ], '<', \undef, '&>', \$out);
	return { run => $run, out => \$out };
}

# Waits until they are through; each must have met nothing but the answers yes and no.
sub finish
{
	my ($race, $name) = @_;
	my $good = $race->{run}->finish;
	ok($good && ${ $race->{out} } !~ /error|aborted/i, $name) or diag ${ $race->{out} };
	return;
}

sub press
{
	my ($node, $seconds, @scripts) = @_;
	finish(begin($node, $seconds, @scripts), "$SESSIONS sessions: no error, no deadlock");
	return;
}

# The most that was taken, for certain, within any window of that length.
sub most_in_window
{
	my ($node, $what, $window) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT max(amount) FROM (
		  SELECT sum(later.used) AS amount
		  FROM race.taken AS first JOIN race.taken AS later
		    ON later.what = first.what AND later.since >= first.since
		    AND later.since < first.since + interval '$window'
		    AND later.until < first.since + interval '$window'
		  WHERE first.what = '$what' GROUP BY first.ctid) AS windows});
}

# The most that was held at once, for certain: reserved from when it was given until its end began,
# and what was used for good.
sub most_at_once
{
	my ($node, $what) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT max(held) FROM (
		  SELECT sum(change) OVER (ORDER BY at, change) AS held
		  FROM (SELECT until AS at, wanted AS change FROM race.taken WHERE what = '$what'
		        UNION ALL
		        SELECT settling, used - wanted FROM race.taken
		        WHERE what = '$what' AND settling IS NOT NULL) AS changes) AS sums});
}

# Refusals, of a sample, that even all that may have counted within `reach` before cannot explain.
sub unjust_refusals
{
	my ($node, $what, $limit, $reach) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT count(*) FROM (
		  SELECT * FROM race.refused WHERE what = '$what' ORDER BY random() LIMIT 300) AS r
		WHERE r.wanted + (
		  SELECT coalesce(sum(CASE WHEN t.settled < r.since THEN t.used ELSE t.wanted END), 0)
		  FROM race.taken AS t
		  WHERE t.what = r.what AND t.since < r.until
		  AND t.until > r.since - interval '$reach') <= $limit});
}

sub refusals
{
	my ($node, $what) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM race.refused WHERE what = '$what'");
}

sub used
{
	my ($node, $what) = @_;
	return $node->safe_psql('postgres',
		"SELECT trim_scale(coalesce(sum(used), 0)) FROM race.taken WHERE what = '$what'");
}

1;
