# A new data key: everything is sealed anew while picks go on, whatever is killed on the way; nothing
# is lost, and the old data key goes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep);

my $keys = 10_000;
my $node = KeypoolCluster::start('rotation', 'keypool.health_check_interval = 0',
	'keypool.max_keys = 32768', 'max_wal_senders = 4', 'wal_level = replica', 'hot_standby = on',
	'restart_after_crash = on', q{keypool.default_strategy = 'round_robin'});
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Every secret follows from the key's name, so that all of them can be compared.
sql(qq{SET client_min_messages = warning;
	SELECT count(add_key('openai', 'sk-' || md5('s' || n) || md5('t' || n), 's' || n,
		user_id => CASE WHEN n % 10 > 1 THEN 'user-' || n END,
		organization_id => CASE WHEN n % 10 = 1 THEN 'org-' || n % 500 END))
	FROM generate_series(1, $keys) AS n;
	SELECT count(add_webhook('https://example.com/' || n, 'a secret of webhook ' || n))
	FROM generate_series(1, 5) AS n});
is(sql('SELECT count(*) FROM keypool.api_keys'), $keys, 'keys are stored');

my $numbers = q{SELECT DISTINCT get_byte(envelope, 4) FROM keypool.api_keys WHERE envelope IS NOT NULL
	UNION SELECT DISTINCT get_byte(envelope, 4) FROM keypool.alert_webhooks ORDER BY 1};
my $state = q{SELECT state FROM keypool.reencryption_progress WHERE what = 'data_key'};
my $in_use = q{SELECT data_keys_in_use FROM keypool.reencryption_progress WHERE what = 'data_key'};

# Opened by resolving the secret and by the envelope: a key that opened to another's secret, or to
# none, would be missing here.
sub all_open
{
	my ($what) = @_;
	# Each owner's single key, or as many picks as the owner has keys.
	my $users = sql(qq{SELECT count(*) FROM generate_series(1, $keys) AS n
		WHERE n % 10 > 1 AND pick_key('openai', 'user-' || n) = 'sk-' || md5('s' || n) || md5('t' || n)});
	is($users, $keys * 8 / 10, "$what: every user's key opens to its own secret");
	my $others = sql(qq{
		SELECT count(DISTINCT picked) FROM (
			SELECT pick_key('openai', NULL, 'org-' || n % 500) AS picked FROM generate_series(1, $keys, 10) AS n
			UNION ALL SELECT pick_key('openai') FROM generate_series(10, $keys, 10)) AS p
		WHERE picked IN (SELECT 'sk-' || md5('s' || n) || md5('t' || n)
			FROM generate_series(1, $keys) AS n WHERE n % 10 < 2)});
	is($others, $keys * 2 / 10, "$what: and every other one");
	return;
}
all_open('before');

my $standby = PostgreSQL::Test::Cluster->new('follower');
$node->backup('base');
$standby->init_from_backup($node, 'base', has_streaming => 1);
chmod 0600, $standby->data_dir . '/pg_keypool.root_key' or die $!;
$standby->start;

# A writer that has sealed under the old data key and takes its time.
my $late = PsqlSession->new($node);
$late->ask('BEGIN');
my $late_id = $late->ask(q{SELECT add_key('openai', 'sk-' || repeat('L', 48), 'late', user_id => 'late')});

# Sessions that pick without pause: one with old memory, one that is new each time.
my $picker = PsqlSession->new($node);
$picker->ask(q{SELECT length(pick_key('openai'))});
my $old = sql($in_use);
is($old, '{2}', 'there is one data key');
is(sql('SELECT rotate_data_key()'), 3, 'the next one has the next number');
sql(q{SELECT add_key('openai', 'sk-' || repeat('N', 48), 'new', user_id => 'new')});
is(sql(q{SELECT get_byte(envelope, 4) FROM keypool.api_keys WHERE name = 'new'}), 3,
	'what is stored from now on is sealed under it');
my $failed = 0;
for (1 .. 200)
{
	my $picked = $picker->ask(q{SELECT count(pick_key('openai')) FROM generate_series(1, 20)});
	$failed++ if $picked ne '20';
	$failed++ if sql(q{SELECT count(pick_key('openai', 'user-3'))}) ne '1' && $_ % 10 == 0;
	last if sql($state) eq 'waiting';
}
is($failed, 0, 'no pick failed meanwhile');
ok(KeypoolCluster::await(sub { sql($state) eq 'waiting' }), 'the open transaction is waited for');
is(sql($in_use), '{2,3}', 'and what it sealed under is kept');
is($late->ask('COMMIT'), '', 'it commits late');
ok(KeypoolCluster::await(sub { sql($state) eq 'settling' || sql($state) eq 'done' }),
	'and is sealed anew as well');
is(sql($numbers), 3, 'everything carries the new number');
is(sql(q{SELECT pick_key('openai', 'late') = 'sk-' || repeat('L', 48)}), 't', 'the late key opens');
ok(KeypoolCluster::await(sub { sql($in_use) eq '{3}' }), 'and then deleted');
is(sql(q{SELECT total = done AND remaining = 0 AND failed = 0 AND finished_at >= started_at
	FROM keypool.reencryption_progress WHERE what = 'data_key' AND state = 'done'}), 't',
	'the figures of what was done stay');
is($picker->ask(q{SELECT length(pick_key('openai'))}), 67, 'the old session goes on');
all_open('after');

$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', q{SELECT pick_key('openai', 'user-3') = 'sk-' || md5('s3') || md5('t3')}),
	't', 'a standby follows');
$standby->stop;

# Killed wherever it is, again and again: what is left is what carries an older number.
for my $round (1 .. 4)
{
	sql('SELECT rotate_data_key()');
	sleep 0.02 * rand 10;
	# Of the worker; the server restarts all processes then.
	my $pid = sql(q{SELECT pid FROM keypool.worker_status});
	if ($round % 2 && $pid) { kill 'KILL', $pid }
	else { $node->stop('immediate'); $node->start }
	KeypoolCluster::await(sub { KeypoolCluster::try_sql($node, 'SELECT 1') });
}
ok(KeypoolCluster::await(sub { (KeypoolCluster::try_sql($node, $in_use) // '') eq '{7}' }),
	'after four rotations and four crashes one data key is left') or diag(sql($in_use), sql($numbers));
is(sql($numbers), 7, 'and all is sealed under it');
all_open('after crashes');

# A row that cannot be opened stops nothing, and keeps its data key.
$late->close;
sql(q{ALTER TABLE keypool.api_keys DISABLE TRIGGER USER;
	UPDATE keypool.api_keys SET envelope = set_byte(envelope, 30, 255 - get_byte(envelope, 30)) WHERE name = 's3';
	ALTER TABLE keypool.api_keys ENABLE TRIGGER USER});
sql('SELECT rotate_data_key()');
ok(KeypoolCluster::await(sub { sql($state) eq 'blocked' }), 'a damaged row is noticed') or diag(sql($state));
is(sql(q{SELECT failed, remaining FROM keypool.reencryption_progress WHERE what = 'data_key'}), '1|1',
	'and counted');
is(sql($in_use), '{7,8}', 'its data key is kept');
like(sql('SELECT last_error FROM keypool.worker_status'), qr/could not decrypt key \d+/, 'it is named');
is(sql(q{SELECT count(*) FROM keypool.api_keys WHERE get_byte(envelope, 4) = 8}), $keys + 1,
	'all others are sealed anew');
sql(q{SELECT rotate_key(id, 'sk-' || md5('s3') || md5('t3')) FROM keypool.api_keys WHERE name = 's3'});
sql(q{UPDATE keypool.providers SET enabled = enabled WHERE name = 'openai'});
ok(KeypoolCluster::await(sub { sql($in_use) eq '{8}' }), 'once its secret is stored again, all is done');

$picker->close;
$node->stop;
done_testing();
