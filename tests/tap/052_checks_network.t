# Whatever the network does, a check says what happened, condemns no key for it, and lets no secret
# out: not to the target of a redirect, not into an error, a table or the server's log.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use IO::Socket::INET;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn;
use Test::More;

my $provider = StandIn->start;
my $node = KeypoolCluster::start('network', 'keypool.health_check_interval = 0',
	'keypool.request_timeout = 1s', 'log_min_messages = debug1', 'log_statement = none',
	'wal_level = replica', 'max_wal_senders = 4');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
my $worker = KeypoolCluster::worker($node, 'postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $SECRET = 'sk-network-abcdefghijklmnopqrstuvwxyz';
my $id = sql("SELECT add_key('openai', '$SECRET')");

sub check_at
{
	my ($url) = @_;
	sql("UPDATE keypool.api_keys SET base_url = '$url' WHERE id = $id");
	return sql("SELECT status, http_status, error FROM check_key($id)");
}

sub check_told
{
	my ($behaviour) = @_;
	$provider->tell(key => $SECRET, behaviour => $behaviour);
	my $answer = check_at($provider->base_url('openai'));
	$provider->forget;
	return $answer;
}

# A port that nobody listens on: bound, so that nobody else takes it.
my $closed = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp') or die $!;

like(check_at('http://keypool-test.invalid/v1'), qr/^transient\|\|the name of the host/, 'DNS failure');
like(check_at('http://127.0.0.1:' . $closed->sockport), qr/^transient\|\|the connection/, 'refused');
like(check_at('https://127.0.0.1:' . $provider->port), qr/^transient\|\|no trusted TLS/, 'no TLS');
like(check_told('hang'), qr/^transient\|\|no complete answer within/, 'hangs');
like(check_told('slow_body'), qr/^transient\|200\|no complete answer within/, 'drips');
like(check_told('drop'), qr/^transient\|200\|the connection/, 'drops');
like(check_told({ kind => 'huge', bytes => 4 << 20 }), qr/^unknown\|200\|the answer was larger/, 'huge');
like(check_told({ kind => 'endless_headers', bytes => 4 << 20 }),
	qr/^unknown\|200\|the answer was larger/, 'endless headers');
like(check_told('garbage'), qr/^unknown\|200\|the answer is not a provider's/, 'garbage');
like(check_told({ kind => 'garbage', status => 500 }), qr/^transient\|500/, 'garbage from a proxy');
is(check_told('ok'), 'ok|200|', 'and then all is well');
is(sql("SELECT state FROM keypool.api_keys_overview WHERE key_id = $id"), 'cooling',
	'so many failures in a row cool the key, but only for moments');

for my $status (301, 302, 303, 307, 308)
{
	like(check_told({ kind => 'redirect', status => $status }),
		qr/^unknown\|$status\|.*redirect, which is not followed/, "redirect $status");
}
my $record = $provider->record;
is($record->{redirect_target}{hits}, 0, 'nothing arrived where the redirects pointed');
is(scalar @{ $record->{violations} }, 0, 'and no request was out of order');

# Providers that echo.
for my $name (qw(openai anthropic gemini))
{
	my $echoed = { openai => $SECRET, anthropic => 'sk-ant-echo-abcdefghijklmnop',
		gemini => 'AIza' . 'E' x 35 }->{$name};
	my $key = $name eq 'openai' ? $id : sql("SELECT add_key('$name', '$echoed')");
	sql("UPDATE keypool.api_keys SET base_url = '" . $provider->base_url($name) . "' WHERE id = $key");
	$provider->tell(key => $echoed, behaviour => 'echo');
	my $row = sql("SELECT c FROM check_key($key) c");
	like($row, qr/credential/, "$name echoes the key");
	unlike($row, qr/\Q$echoed/, 'the error does not hold it');
	my $state = sql("SELECT s FROM keypool.key_state s WHERE key_id = $key");
	unlike($state, qr/\Q$echoed/, 'nor does the table');
	unlike(slurp_file($node->logfile), qr/\Q$echoed/, 'nor the log');
	$provider->forget;
}

# A proxy in the server's environment must see nothing: nobody listens on that port.
$node->stop;
{
	local %ENV = (%ENV, http_proxy => 'http://127.0.0.1:' . $closed->sockport,
		ALL_PROXY => 'http://127.0.0.1:' . $closed->sockport);
	$node->start;
}
KeypoolCluster::worker($node, 'postgres');
is(check_told('ok'), 'ok|200|', 'the environment\'s proxies are not asked');

subtest 'a rotated or uncommitted key' => sub {
	my ($out, $err);
	$node->psql('postgres', qq{BEGIN;
		SELECT check_key(add_key('openai', 'sk-uncommitted-abcdefghijklmnop'));},
		stderr => \$err, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/42704: key \d+ does not exist.*committed/s, 'one that is not committed');
	$node->psql('postgres', 'SELECT check_key(987654)', stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/42704: key 987654 does not exist/, 'one that is not there');
	$node->psql('postgres', q{SELECT check_keys('openia')}, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/KP006.*openai/s, 'a provider that is not there');

	$provider->tell(key => $SECRET, behaviour => { kind => 'refuse', ms => 700 });
	my $asker = $node->background_psql('postgres');
	$asker->query_until(qr/asked/, "\\echo asked\nSELECT check_key($id);\n");
	ok(KeypoolCluster::await(sub {
		sql('SELECT checks_in_flight FROM keypool.worker_status') > 0 }), 'a check is under way');
	sql("SELECT rotate_key($id, 'sk-network-the-new-one-abcdefghijkl')");
	like($asker->query('SELECT 1'), qr/1/, 'the old secret is refused');
	is(sql("SELECT state FROM keypool.api_keys_overview WHERE key_id = $id"), 'healthy',
		'which is not held against the new one');
	$asker->quit;
};

subtest 'a standby has no worker' => sub {
	$node->append_conf('postgresql.conf', 'hot_standby = on');
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	$standby->psql('postgres', "SELECT check_key($id)", stderr => \my $err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/KP007.*standby/s, 'and says so');
	$standby->stop;
};

done_testing();
