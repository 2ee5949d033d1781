# A request that came with a key nobody had stored yet: the worker looks for the key a few times,
# with pauses that double, before it counts as lost.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = KeypoolCluster::start('lookups', q{keypool.health_check_interval = '1h'},
	'keypool.validate_format = off', q{keypool.lookup_backoff = '2s'});

sub sql { return $node->safe_psql('postgres', $_[0]) }

# True once the query answers what is expected.
sub becomes
{
	my ($query, $expected, $what) = @_;
	my $answer = '';
	KeypoolCluster::await(sub { ($answer = sql($query)) eq $expected });
	return is($answer, $expected, $what);
}

# Sets what the server's configuration says, and waits until the worker knows.
sub configure
{
	my ($line) = @_;
	my $before = sql('SELECT last_cycle_at FROM keypool.worker_status');
	$node->append_conf('postgresql.conf', $line);
	$node->reload;
	KeypoolCluster::await(sub {
		sql('SELECT last_cycle_at FROM keypool.worker_status') ne $before });
	return;
}

# Counters as they were at the last call; what has been added since.
my %counted;
sub added
{
	my %now = map { split /\|/ } split /\n/,
	  sql('SELECT label, value FROM keypool.tracking_counts()');
	my $text = join ' ', map { "$_ " . ($now{$_} - ($counted{$_} // 0)) }
	  grep { $now{$_} != ($counted{$_} // 0) } sort keys %now;
	%counted = %now;
	return $text;
}

# A row as `key source status attempts`.
sub row
{
	my ($name) = @_;
	return qq{SELECT concat_ws(' ', coalesce(api_key_id::text, 'none'), coalesce(key_source, 'nobody'),
		coalesce(lookup_status, 'waits'), lookup_attempts)
		FROM keypool.chat_completion_requests WHERE request_id = '$name'};
}

sub secret { return "sk-$_[0]-" . ($_[0] x 10) }

# One request by its plaintext key.
sub request
{
	my ($name, $secret) = @_;
	return sql(qq{SELECT log_request('openai', 'gpt-4', user_id => 'u', api_key => '$secret',
		request_id => '$name', input_tokens => 100, cost_usd => 0.5)});
}

sql('CREATE EXTENSION pg_keypool');
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');
sql(q{SELECT add_key('openai', '} . secret('first') . q{')});
added();

# The key is stored a moment after its first request.
request('late', secret('late'));
is(sql(row('late')), 'none nobody waits 0', 'a request with an unknown key is logged without one');
is(added(), 'not_found 1', 'it was looked for once, and is no failure yet');
is(sql('SELECT count(*) FROM keypool.chat_completion_requests WHERE is_anonymous'), 0,
	'nor is it anonymous');
my $late = sql(q{SELECT add_key('openai', '} . secret('late') . q{', user_id => 'u')});
becomes(row('late'), "$late user found 1", 'the key is attached once it is there');
is(added(), 'found 1 with_key 1', 'which counts as a lookup and as a request with a key');
becomes("SELECT requests, tokens, cost_total FROM keypool.api_keys_overview WHERE key_id = $late",
	'1|100|0.5', 'the key has the request in its figures');
is(sql(q{SELECT requests_with_api_key, potential_lookup_failures
		FROM keypool.api_key_tracking_quality}), '1|0', 'and the views have it');
my $metrics = sql('SELECT prometheus_metrics()');
like($metrics, qr/^api_key_lookup_attempts_total\{status="found"\} 1$/m, 'Prometheus is told');
like($metrics, qr/^api_key_tracking_failures_total\{reason="lookup_failed"\} 0$/m, 'of no failure');

# Nobody ever stores it: three attempts, after 0.3, 0.6 and 1.2 seconds.
configure(q{keypool.lookup_backoff = '300ms'});
my $began = time;
request('never', secret('never'));
my @moments;
KeypoolCluster::await(sub {
	my $looked = sql(q{SELECT value FROM keypool.tracking_counts() WHERE label = 'not_found'});
	push @moments, time - $began while @moments < $looked - $counted{not_found} - 1;
	return @moments >= 3;
});
is(scalar @moments, 3, 'three attempts') or diag join ' ', @moments;
cmp_ok($moments[0], '>=', 0.3, sprintf 'the first after a pause (%.2f s)', $moments[0]);
cmp_ok($moments[1] - $moments[0], '>=', 0.4, sprintf 'which doubles (%.2f s)', $moments[1]);
cmp_ok($moments[2] - $moments[1], '>=', 0.9, sprintf 'and doubles again (%.2f s)', $moments[2]);
becomes(row('never'), 'none nobody failed 3', 'then it is lost');
is(added(), 'lookup_failed 1 not_found 4', 'which counts as one failure');
sql(q{SELECT add_key('openai', '} . secret('never') . q{')});
sleep 1;
is(sql(row('never')), 'none nobody failed 3', 'what is lost is not looked for any more');
is(sql(q{SELECT potential_lookup_failures FROM keypool.api_key_tracking_quality}), 1,
	'the views show it');
like(sql('SELECT prometheus_metrics()'),
	qr/^api_key_tracking_failures_total\{reason="lookup_failed"\} 1$/m, 'and Prometheus is told');

# A key that goes keeps its id on the rows.
sql("SELECT revoke_key($late)");
sql("DELETE FROM keypool.api_keys WHERE id = $late");
is(sql(row('late')), "$late user found 1", 'a deleted key keeps its id on the row');

# A revoked key is none; of two with the same secret the system's is taken.
my $gone = sql(q{SELECT add_key('openai', '} . secret('gone') . q{')});
my $print = sql("SELECT encode(fingerprint, 'hex') FROM keypool.api_keys WHERE id = $gone");
sql("SELECT revoke_key($gone)");
sub insert
{
	my ($name, $fingerprint, $more, $value) = @_;
	($more, $value) = $more ? (", $more", ", $value") : ('', '');
	return sql(qq{INSERT INTO keypool.chat_completion_requests
		(provider, model, user_id, request_id, api_key_fingerprint $more)
		VALUES ('openai', 'gpt-4', 'u', '$name', '\\x$fingerprint' $value)});
}
insert('revoked', $print);
becomes(row('revoked'), 'none nobody failed 3', 'a revoked key is not found');
added();
my $users = sql(q{SELECT add_key('openai', '} . secret('both') . q{', user_id => 'u')});
my $shared = sql(q{SELECT add_key('openai', '} . secret('both') . q{')});
$print = sql("SELECT encode(fingerprint, 'hex') FROM keypool.api_keys WHERE id = $shared");
insert('plain', $print);
becomes(row('plain'), "$shared system found 1",
	'a plain INSERT with a fingerprint is treated alike, and the system\'s key comes first');
is(added(), 'found 1 with_key 1', 'and counted alike');

# Nobody's rows but those that wait.
insert('said', $print, 'lookup_status', q{'failed'});
sql(qq{INSERT INTO keypool.chat_completion_requests
	(provider, model, request_id, api_key_fingerprint, is_anonymous)
	VALUES ('openai', 'gpt-4', 'anonymous', '\\x$print', true)});
insert('after', $print);
becomes(row('after'), "$shared system found 1", 'a request after these is attached');
is(sql(row('said')), 'none nobody failed 0', 'one that was given up before is left alone');
is(sql(row('anonymous')), 'none nobody waits 0', 'and so is an anonymous one');

# A transaction that has rows locked is not waited for, nor does it wait.
my $session = PsqlSession->new($node);
insert('locked', $print);
insert('free', $print);
$session->ask(q{BEGIN; UPDATE keypool.chat_completion_requests SET session_id = 's'
	WHERE request_id = 'locked'});
becomes(row('free'), "$shared system found 1", 'a locked row keeps no other one waiting');
is(sql(row('locked')), 'none nobody waits 0', 'and waits itself');
$session->ask('COMMIT');
becomes(q{SELECT api_key_id, lookup_status, lookup_attempts > 1, session_id
		FROM keypool.chat_completion_requests WHERE request_id = 'locked'}, "$shared|found|t|s",
	'until it is free; both changes are there');
$session->close;

# Whatever ends the worker, the next one begins anew.
configure(q{keypool.lookup_backoff = '2s'});
insert('killed', $print);
sleep 0.5;
my $worker = KeypoolCluster::worker($node, 'postgres');
kill 'TERM', $worker;
ok(KeypoolCluster::worker($node, 'postgres', $worker), 'another worker comes');
is(sql(row('killed')), 'none nobody waits 0', 'which finds a row that waits');
becomes(row('killed'), "$shared system found 1", 'and gives it its key');

# Switched off and on.
configure('keypool.lookup_attempts = 0');
added();
insert('off', $print);
is(added(), 'lookup_failed 1', 'without retries an unknown key is a failure at once');
is(sql(row('off')), 'none nobody waits 0', 'and nobody looks for it');
configure(q{keypool.lookup_backoff = '20ms'});
configure('keypool.lookup_attempts = 2');
becomes(row('off'), "$shared system found 1", 'until somebody is told to');

# Thousands at once, in the presence of others who write: a few statements, no deadlock.
added();
my $reader = PsqlSession->new($node);
sql(qq{INSERT INTO keypool.chat_completion_requests
	(provider, model, user_id, request_id, api_key_fingerprint)
	SELECT 'openai', 'gpt-4', 'u', 'many ' || n, CASE WHEN n % 50 = 0 THEN '\\x$print'::bytea
		ELSE sha256((n % 50)::text::bytea) END
	FROM generate_series(1, 5000) n});
for (1 .. 20)
{
	$reader->send(qq{UPDATE keypool.chat_completion_requests SET metadata = '{}'
		WHERE request_id LIKE 'many %' AND id % 20 = $_ % 20});
	$reader->answer;
}
$began = time;
becomes(q{SELECT string_agg(concat_ws(' ', status, n), ', ' ORDER BY status) FROM (
		SELECT lookup_status AS status, count(*) AS n FROM keypool.chat_completion_requests
		WHERE request_id LIKE 'many %' GROUP BY 1) s}, 'failed 4900, found 100',
	'thousands of rows are settled');
cmp_ok(time - $began, '<', 10, 'soon');
my %many = split / /, added();
is("$many{with_key} $many{lookup_failed}", '100 4900', 'each is counted once');
cmp_ok($many{not_found} + $many{found}, '<', 1000, 'a fingerprint is looked up for all its rows');
$reader->close;
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'without a deadlock');

# Nothing to do: nothing is done.
SKIP:
{
	$worker = KeypoolCluster::worker($node, 'postgres');
	skip 'no /proc here', 1 unless -r "/proc/$worker/status";
	my $switches = sub {
		slurp_file("/proc/$worker/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
		return $1;
	};
	ok(KeypoolCluster::await(sub {
		my $before = $switches->();
		sleep 3;
		return $switches->() == $before;
	}), 'an idle worker sleeps');
}

$node->stop('fast');
done_testing();
