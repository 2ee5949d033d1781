# What shared memory learns of keys is written down within a second, survives restarts, gets out of
# the way of DDL, and costs nothing while nothing happens.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = KeypoolCluster::start('writer', 'keypool.health_check_interval = 0',
	'keypool.max_keys = 32768');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
# Every database may be set to refuse writes; ours are no user's.
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET default_transaction_read_only = on');
my $worker = KeypoolCluster::worker($node, 'postgres');
ok($worker, 'a worker runs');

sub sql { return $node->safe_psql('postgres', "SET default_transaction_read_only = off; $_[0]") }

# True once the query answers what is expected.
sub becomes
{
	my ($query, $expected, $what) = @_;
	my $answer = '';
	KeypoolCluster::await(sub { ($answer = sql($query)) eq $expected });
	is($answer, $expected, $what);
	return;
}

# Usage and health.
sql(q{SELECT add_key('openai', 'sk-' || repeat('a', 48), name => 'first');
	SELECT add_key('anthropic', 'sk-ant-api03-' || repeat('b', 93) || 'AA', name => 'other')});
sql(q{SELECT pick_key('openai') FROM generate_series(1, 5)});
becomes('SELECT picks, state, cooldown_until IS NULL, last_error IS NULL, failure_class IS NULL,
		 last_used_at > now() - interval \'1 min\' FROM keypool.key_state WHERE key_id = 1',
	'5|healthy|t|t|t|t', 'picks are written down');
sql(q{SELECT mark_key_error(1, 'rate_limit', 429, interval '2 hours')});
becomes('SELECT state, failure_class, last_error LIKE \'429%\', errors, requests,
		 cooldown_until - now() BETWEEN interval \'1 h 59 min\' AND interval \'2 h\',
		 last_error_at > now() - interval \'1 min\' FROM keypool.key_state WHERE key_id = 1',
	'cooling|rate_limit|t|1|1|t|t', 'so is a failure');
is(sql('SELECT count(*) FROM keypool.key_state'), 1, 'and nothing of a key nobody used');

# Restarts, without time for the second to pass.
sql(q{SELECT pick_key('anthropic') FROM generate_series(1, 7)});
$node->restart;
is(sql('SELECT key_id, picks, state FROM keypool.api_keys_overview ORDER BY key_id'),
	"1|5|cooling\n2|7|healthy", 'a clean restart loses nothing');
ok(KeypoolCluster::worker($node, 'postgres'), 'the worker is back');
is(sql('SELECT left(last_error, 3) FROM keypool.key_state WHERE key_id = 1'), '429',
	'the last error is still known');

# DDL goes first, and what it held up is written afterwards.
my ($in, $out) = ('', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>', \my $err, IPC::Run::timeout(120));
$in = "SET default_transaction_read_only = off; BEGIN;
LOCK TABLE keypool.key_state; SELECT 'locked';\n";
$session->pump until $out =~ /locked/;
sql(q{SELECT pick_key('anthropic') FROM generate_series(1, 3)});
becomes(q{SELECT last_error FROM keypool.worker_status},
	'canceling statement due to lock timeout', 'a held lock is reported and not waited for');
cmp_ok(KeypoolCluster::seconds(sub { $node->reload; sql('SELECT 1') }), '<', 4,
	'the worker stays responsive');
$in = "COMMIT; SELECT 'done';\n";
$session->pump until $out =~ /done/;
$in = "\\q\n";
$session->finish;
becomes('SELECT picks FROM keypool.key_state WHERE key_id = 2', '10', 'then the picks are written');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'without a deadlock');

# A key that goes meanwhile is left out; the rest is written.
sql(q{SELECT add_key('groq', 'gsk_' || repeat('c', 52), name => 'leaves')});
sql(q{SELECT pick_key('groq'), pick_key('anthropic'); DELETE FROM keypool.api_keys WHERE id = 3});
becomes('SELECT picks FROM keypool.key_state WHERE key_id = 2', '11', 'a deleted key stops nobody');

# Tens of thousands at once. (Copies of one row: nobody opens their secrets here.)
sql(q{INSERT INTO keypool.api_keys (provider, name, envelope, fingerprint, hint)
	SELECT 'mistral', 'k' || n, k.envelope, sha256(n::text::bytea), k.hint
	FROM keypool.api_keys k, generate_series(1, 20000) n WHERE k.id = 2});
sql(q{SELECT pick_key('anthropic')});
sql(q{SELECT count(*) FROM (SELECT mark_key_success(id) FROM keypool.api_keys
	WHERE provider = 'mistral' OFFSET 0) s});
my $seconds = KeypoolCluster::seconds(sub {
	becomes(q{SELECT count(*), sum(s.requests) FROM keypool.key_state s
		JOIN keypool.api_keys k ON k.id = s.key_id WHERE k.provider = 'mistral'},
		'20000|20000', '20,000 keys in use are written down');
});
note sprintf '%.1f s after the last use', $seconds;
cmp_ok($seconds, '<', 20, 'soon');

# Nothing to do: the process does not even wake up. (It looks after leases every half a minute for
# as long as there can be any, so one look is not enough.)
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

# Leases that nobody settled.
$node->append_conf('postgresql.conf', q{keypool.lease_timeout = '1s'});
$node->reload;
sql(q{SELECT 1 FROM acquire_key('anthropic')});
is(sql('SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = 2'), 1, 'a lease is open');
becomes('SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = 2', '0',
	'and given back when its time is over');

$node->stop('fast');
done_testing();
