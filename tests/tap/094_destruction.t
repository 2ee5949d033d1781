# What is destroyed is gone: after the worker's pass and a checkpoint, no byte of the ciphertext or
# the fingerprint is left in any data file, of the primary or of its standby, whatever way the key
# went; an old snapshot and a crash only put that off; and the keys that stay still open.
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use File::Find;
use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep);

# Without autovacuum, so that nobody else can have removed anything.
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => ['--data-checksums']);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_keypool'
keypool.health_check_interval = 0
autovacuum = off
checkpoint_timeout = 1h
CONF
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
KeypoolCluster::worker($primary, 'postgres');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
chmod 0600, $standby->data_dir . '/pg_keypool.root_key' or die $!;
$standby->start;

sub sql { return $primary->safe_psql('postgres', $_[0]) }

my %needles;    # name of a key => bytes of its ciphertext and fingerprint

sub secret { return 'sk-proj-' . md5_hex($_[0]) }

# Adds a key of that name, with further arguments of add_key; answers its id.
sub add
{
	my ($name, $more) = @_;
	my $id = sql("SELECT add_key('openai', '" . secret($name) . "', '$name'" . ($more // '') . ')');
	remember($name, $id);
	return $id;
}

# The middle of the ciphertext: what begins an envelope is much alike in all of them.
sub remember
{
	my ($name, $id) = @_;
	my ($envelope, $fingerprint) = split /\|/,
	  sql("SELECT encode(envelope, 'hex'), encode(fingerprint, 'hex') FROM keypool.api_keys
		WHERE id = $id");
	$needles{$name} = [ substr(pack('H*', $envelope), 20, 24), pack('H*', $fingerprint) ];
	return;
}

# Names of those of which something is found in the data files, as they are on disk after a
# checkpoint.
sub found
{
	my ($node, @names) = @_;
	$node->safe_psql('postgres', 'CHECKPOINT');
	my %found;
	my $look = sub {
		return unless -f $_;
		open my $file, '<:raw', $_ or return;    # dropped just now
		local $/;
		my $bytes = <$file> // '';
		for my $name (@names)
		{
			$found{$name} = 1 if grep { index($bytes, $_) >= 0 } @{ $needles{$name} };
		}
	};
	find({ wanted => $look, no_chdir => 1 }, map { $node->data_dir . "/$_" } qw(base global));
	return join ' ', sort keys %found;
}

# True once the worker has removed what had died so far.
sub clean
{
	return KeypoolCluster::await(sub {
		my $state = KeypoolCluster::try_sql($primary, 'SELECT state FROM keypool.destruction_status');
		return defined $state && $state eq 'clean';
	});
}

# Those that are to go.
sub doomed { return sort grep { !/^live/ } keys %needles }

my %id = map { $_ => add($_) } qw(revoked rotated deleted updated live_one live_two expired);
add('forgotten', q{, user_id => 'u'});
add('organizations', q{, organization_id => 'o'});
add('live_users', q{, user_id => 'v'});
sql(qq{UPDATE keypool.api_keys SET weight = $_ WHERE id IN ($id{updated}, $id{live_one})}) for 2 .. 6;
my $trace = sql("SELECT key_id FROM import_trace_keys(jsonb_build_object(
	'x-api-key-openai', '" . secret('trace') . "', 'X-User-ID', 'u2'))");
remember('trace', $trace);
sql(q{SELECT add_webhook('https://example.com/hook', 'a-secret-of-some-length')});
$needles{webhook} = [ pack 'H*',
	sql(q{SELECT encode(substr(envelope, 21, 24), 'hex') FROM keypool.alert_webhooks}) ];
my $session = PsqlSession->new($primary);
$session->ask('BEGIN');
$session->ask("SELECT add_key('openai', '" . secret('undone') . "', 'undone')");
$needles{undone} = [ pack 'H*', $session->ask(q{SELECT encode(substr(envelope, 21, 24), 'hex')
	FROM keypool.api_keys WHERE name = 'undone'}) ];

is(found($primary, keys %needles), join(' ', sort keys %needles),
	'ciphertext and fingerprints of all keys are found in the data files');

sql("SELECT revoke_key($id{revoked}); SELECT revoke_key($id{updated}, 'after many versions')");
sql("SELECT rotate_key($id{rotated}, '" . secret('another') . "')");
sql("DELETE FROM keypool.api_keys WHERE id = $id{deleted}");
sql("UPDATE keypool.api_keys SET expires_at = now() + interval '0.5 s'
	WHERE id IN ($id{expired}, $trace)");
sql(q{SELECT forget_user('u'); SELECT forget_organization('o')});
sql('DELETE FROM keypool.alert_webhooks');
$session->ask('ROLLBACK');
ok( KeypoolCluster::await(sub {
		sql("SELECT count(*) FROM keypool.api_keys WHERE id IN ($id{expired}, $trace)
			AND envelope IS NULL AND fingerprint IS NULL AND revoke_reason = 'expired'") eq '2';
	}),
	'the worker destroys keys whose time is over');
is(sql("SELECT state FROM keypool.api_keys_overview WHERE key_id = $id{expired}"),
	'expired', 'which are still shown as expired');
ok(clean(), 'the worker says when it has removed everything');
is(found($primary, doomed()), '', 'then nothing of them is left in any data file');
is(found($primary, keys %needles), 'live_one live_two live_users', 'and the others are where they were');
is( sql(q{SELECT string_agg(DISTINCT pick_key('openai'), ' ') FROM generate_series(1, 9)}),
	join(' ', sort map { secret($_) } qw(another live_one live_two)),
	'keys that stay still open');
is(sql(q{SELECT pick_key('openai', user_id => 'v')}), secret('live_users'), "a user's too");

$primary->wait_for_catchup($standby, 'replay');
is(found($standby, doomed()), '', 'nor in those of a standby, after a restartpoint');
is(found($standby, keys %needles), 'live_one live_two live_users', 'which has the others');

# An old snapshot.
$session->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $holder = $session->pid;
sql("SELECT revoke_key($id{live_one})");
ok( KeypoolCluster::await(sub {
		sql(q{SELECT state, waiting_for, waiting_for_pid FROM keypool.destruction_status}) eq
		  "waiting|session|$holder";
	}),
	'an old snapshot holds the removal up, and is named');
is(found($primary, 'live_one'), 'live_one', 'meanwhile the ciphertext is there');
$session->ask('COMMIT');
ok(clean(), 'the worker comes back when the snapshot is gone');
is(found($primary, 'live_one'), '', 'and removes it');

# A crash before the worker could.
$session->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql("SELECT revoke_key($id{live_two})");
sql('CHECKPOINT');
$primary->stop('immediate');
$primary->start;
ok(clean(), 'a worker that starts after a crash looks for itself');
is(found($primary, keys %needles), 'live_users', 'and removes what was left');

my $cleaned = sql('SELECT cleaned_at FROM keypool.destruction_status');
sleep 3.5;
sql(q{UPDATE keypool.api_keys SET weight = 3 WHERE name = 'live_users'});
sleep 0.5;
is(sql('SELECT cleaned_at FROM keypool.destruction_status'),
	$cleaned, 'nothing is done while nothing dies');

$primary->wait_for_catchup($standby, 'replay');
$standby->stop;
$primary->stop;
command_ok([ 'pg_checksums', '--check', '-D', $_->data_dir ], 'checksums of ' . $_->name . ' are right')
  for $primary, $standby;

done_testing();
