# A thousand checks take as long as the slowest of them; a provider that hangs delays nobody; who
# asks may change his mind at any time; and the worker stays as small as it was.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use IPC::Run ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn;
use Test::More;
use Time::HiRes qw(sleep time);

my $provider = StandIn->start;
# So that one may look into the memory of a process that holds keys.
my $node = KeypoolCluster::start('many', 'keypool.health_check_interval = 0',
	'keypool.request_timeout = 8s', 'keypool.max_keys = 4096', 'keypool.core_dumps = on');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
my $worker = KeypoolCluster::worker($node, 'postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

for my $name (qw(openai groq))
{
	sql("UPDATE keypool.providers SET base_url = '" . $provider->base_url($name)
		  . "' WHERE name = '$name'");
}
sub secret { return sprintf 'sk-many-%020d', $_[0] }

sub resident_kb
{
	my ($line) = grep { /^VmRSS/ } split /\n/, slurp_file("/proc/$worker/status");
	return $line =~ /(\d+)/ ? $1 : die 'no VmRSS';
}

sql(q{SELECT count(add_key('openai', 'sk-many-' || lpad(i::text, 20, '0'), name => 'k' || i))
	FROM generate_series(1, 1000) i});

subtest 'a thousand keys are checked at once' => sub {
	is(sql('SELECT count(*), count(DISTINCT key_id) FROM check_keys() WHERE healthy'),
		'1000|1000', 'each exactly once');
	my $slowest = 1.5;
	$provider->tell(key => '*', behaviour => { kind => 'slow', ms => $slowest * 1000 });
	my $seconds = KeypoolCluster::seconds(sub {
		is(sql(q{SELECT count(*) FROM check_keys('openai') WHERE healthy}), 1000, 'all are well');
	});
	cmp_ok($seconds, '<=', 2 * $slowest, 'within twice the slowest answer');
	note(sprintf 'took %.2f s, %.2f of the slowest answer', $seconds, $seconds / $slowest);
	$provider->forget;
};

subtest 'a provider that hangs delays nobody' => sub {
	my $other = sql(q{SELECT add_key('groq', 'gsk_abcdefghijkl')});
	$provider->tell(key => '*', provider => 'openai', behaviour => 'hang');
	my $many = $node->background_psql('postgres', on_error_stop => 0);
	$many->query_until(qr/asked/, "\\echo asked\nSELECT count(*) FROM check_keys('openai');\n");
	my $in_flight = sub { sql('SELECT checks_in_flight FROM keypool.worker_status') };
	ok(KeypoolCluster::await(sub { $in_flight->() >= 500 }), 'hundreds hang');
	my $seconds = KeypoolCluster::seconds(sub {
		is(sql("SELECT status FROM check_key($other)"), 'ok', 'another provider answers');
	});
	cmp_ok($seconds, '<', 2, 'at once');

	# A cancel ends the wait of who asked, whatever hangs.
	$seconds = KeypoolCluster::seconds(sub {
		sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
			WHERE query LIKE '%check_keys(%' AND pid <> pg_backend_pid()});
		is($many->query('SELECT 1'), 1, 'the session goes on after a cancel');
	});
	cmp_ok($seconds, '<', 2, 'at once');
	$many->quit;
	my ($out, $err);
	$seconds = KeypoolCluster::seconds(sub {
		$node->psql('postgres', q{SET statement_timeout = '300ms'; SELECT check_key(1)},
			stderr => \$err);
	});
	like($err, qr/statement timeout/, 'a statement timeout is heeded');
	cmp_ok($seconds, '<', 2, 'in time');
	my @askers = map {
		IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', 'SELECT check_key(1)' ],
			'>', \my $o, '2>', \my $e)
	} 1 .. 5;
	sleep 0.3;
	sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE query LIKE '%check_key(%' AND pid <> pg_backend_pid()});
	$_->finish for @askers;
	is(KeypoolCluster::worker($node, 'postgres'), $worker, 'the worker is the same as before');
	$provider->forget;
	is(sql("SELECT status FROM check_key($other)"), 'ok', 'and works');
	ok(KeypoolCluster::await(sub { $in_flight->() == 0 }), 'what hung ends by its time limit');
	is(sql(q{SELECT count(*) FROM keypool.api_keys_overview WHERE state = 'unhealthy'}), 0,
		'and no key is blamed for it');
};

subtest 'more keys than ever fit in memory at once' => sub {
	sql(q{SELECT count(add_key('perplexity', 'pplx-' || lpad(i::text, 12, '0'), user_id => 'u' || i))
		FROM generate_series(1, 10000) i});
	is(sql(q{SELECT count(*), count(DISTINCT key_id) FROM check_keys('perplexity')}),
		'10000|10000', 'all are answered for');
};

subtest 'memory stays flat whatever the providers send' => sub {
	my @behaviours = ('garbage', { kind => 'huge', bytes => 4 << 20 },
		{ kind => 'endless_headers', bytes => 1 << 20 }, 'drop', 'echo', 'ok');
	my $round = sub {
		$provider->tell(key => '*', provider => 'openai', behaviour => $_[0]);
		sql(q{SELECT count(*) FROM check_keys('openai')});
	};
	# What the first rounds leave is buffers that the later ones use again.
	for my $behaviour (@behaviours) { $round->($behaviour) for 1 .. 4 }
	my $before = resident_kb();
	for my $behaviour (@behaviours) { $round->($behaviour) for 1 .. 3 }
	my $after = resident_kb();
	note("VmRSS $before kB, after 18 rounds of 1,000 checks more $after kB");
	cmp_ok($after, '<', $before * 1.15 + 2048, 'VmRSS of the worker');
	$provider->forget;
	is(sql(q{SELECT count(*) FROM check_keys('openai') WHERE healthy}), 1000, 'and all recovers');
};

subtest 'no backend maps libcurl' => sub {
	my $session = $node->background_psql('postgres');
	my $pid = $session->query('SELECT pg_backend_pid()');
	$session->query('SELECT * FROM check_key(1)');
	$session->query(q{SELECT pick_key('groq')});
	unlike(slurp_file("/proc/$pid/maps"), qr/libcurl|pg_keypool_worker/, 'not after checks and picks');
	like(slurp_file("/proc/$worker/maps"), qr/libcurl/, 'the worker does');
	$session->quit;
};

subtest 'a worker that goes is missed at once' => sub {
	$provider->tell(key => '*', behaviour => 'hang');
	my ($out, $err) = ('', '');
	my $asker = IPC::Run::start([ 'psql', '-X', '-v', 'VERBOSITY=verbose',
			'-d', $node->connstr('postgres'), '-c', 'SELECT check_key(1)' ], '>', \$out, '2>', \$err);
	ok(KeypoolCluster::await(sub {
		sql('SELECT checks_in_flight FROM keypool.worker_status') > 0 }), 'in mid-check');
	my $seconds = KeypoolCluster::seconds(sub {
		sql("SELECT pg_terminate_backend($worker)");
		$asker->finish;
	});
	like($err, qr/KP007.*worker_status/s, 'with how to see why');
	cmp_ok($seconds, '<', 3, 'at once');
	$provider->forget;
	ok(KeypoolCluster::worker($node, 'postgres', $worker), 'another takes its place');
	is(sql('SELECT status FROM check_key(1)'), 'ok', 'and checks');

	$node->append_conf('postgresql.conf', 'keypool.worker = off');
	$node->reload;
	KeypoolCluster::no_worker($node, 'postgres');
	$node->psql('postgres', '\set VERBOSITY verbose' . "\nSELECT check_key(1)", stderr => \$err);
	like($err, qr/KP007.*keypool\.worker is off/s, 'a worker that is off is said to be');
};

done_testing();
