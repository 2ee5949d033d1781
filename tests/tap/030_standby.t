# A hot standby picks: what the primary committed and the standby replayed is what its sessions see,
# old and new, at any isolation level, and after promotion too.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_keypool'
keypool.default_strategy = single
keypool.health_check_interval = 0
CONF
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# The test's way of copying a backup, unlike pg_basebackup, forgets modes.
chmod 0600, $standby->data_dir . '/pg_keypool.root_key' or die $!;
$standby->start;

# Runs SQL on the primary and waits until the standby has replayed it.
sub change
{
	my ($sql) = @_;
	my $answer = $primary->safe_psql('postgres', $sql);
	$primary->wait_for_catchup($standby, 'replay');
	return $answer;
}

# Adds a key of openai; more arguments of add_key may follow. Answers its id.
sub add
{
	my ($tail, $more) = @_;
	return change("SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || '$tail'"
		  . ($more ? ", $more" : '') . ')');
}

sub new_session { return PsqlSession->new($standby) }

# The tail of what a session on the standby is given, or the error.
sub pick
{
	my ($session, $who) = @_;
	my $arguments = $who ? ", $who" : '';
	return $session->ask("SELECT right(pick_key('openai'$arguments), 4)");
}

# An old session and a new one are both given that key.
sub both_pick
{
	my ($old, $who, $expected, $what) = @_;
	is(pick($old, $who), $expected, "$what: an old session");
	my $new = new_session();
	is(pick($new, $who), $expected, "$what: a new one");
	$new->close;
	return;
}

# Everything that picks works there.
my $old = new_session();
like(pick($old), qr/KP001/, 'no key is replayed yet');
my $first = add('aaaa');
both_pick($old, '', 'aaaa', 'a key added');
add('user', q{user_id => 'u1'});
both_pick($old, q{'u1'}, 'user', q{a user's key added});
like(
	$old->ask(q{SELECT lease_id > 0, key_id, right(secret, 4), base_url
		FROM acquire_key('openai')}),
	qr/^t\|$first\|aaaa\|https/, 'acquire_key');
is($old->ask(q{SELECT release_key(lease_id) FROM acquire_key('openai')}), '', 'release_key');
is($old->ask(q{SELECT key_id, eligible FROM explain_pick('openai')}), "$first|t", 'explain_pick');
is($old->ask(q{SELECT * FROM available_providers('u1')}), "openai|user|1\nopenai|system|1",
	'available_providers');
is($old->ask(q{SELECT mark_key_error(} . $first . q{, 'rate_limit_error', 429, '1 h')}),
	'rate_limit', 'mark_key_error');
like(pick($old), qr/KP001.*1 candidate: 1 cooling/s, 'the key cools here');
is($primary->safe_psql('postgres', q{SELECT right(pick_key('openai'), 4)}), 'aaaa',
	'and not on the primary, which has its own experience');
like($old->ask(q{SELECT get_usage_stats('openai')->>'total_keys'}), qr/^2$/, 'get_usage_stats');

# Nothing can be written.
for my $call (
	q{add_key('openai', 'sk-proj-' || repeat('k', 24) || 'zzzz')},
	"rotate_key($first, 'sk-proj-' || repeat('k', 24) || 'zzzz')",
	"revoke_key($first)")
{
	like($old->ask("SELECT $call"), qr/25006/, "$call is refused");
}

# Changes.
my $second = add('bbbb');
both_pick($old, '', 'bbbb', 'another key added');
change("SELECT revoke_key($second)");
like(pick($old), qr/KP001/, 'a revoked key is gone');
change("SELECT rotate_key($first, 'sk-proj-' || repeat('k', 24) || 'cccc')");
both_pick($old, '', 'cccc', 'a key rotated, in good health again');
change("UPDATE keypool.api_keys SET enabled = false WHERE id = $first");
like(pick($old), qr/KP001.*1 disabled/s, 'a key disabled');
change("UPDATE keypool.api_keys SET enabled = true WHERE id = $first");
change(q{UPDATE keypool.providers SET enabled = false WHERE name = 'openai'});
like(pick($old), qr/KP001.*1 provider disabled/s, 'a provider disabled');
change(q{UPDATE keypool.providers SET enabled = true, aliases = '{oai}' WHERE name = 'openai'});
is($old->ask(q{SELECT right(pick_key('oai'), 4)}), 'cccc', 'a provider renamed');

# A transaction that cannot see the change is told it all the same.
my $user_key = $old->ask(q{SELECT key_id FROM acquire_key('openai', 'u1')});
$old->ask('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $seen = $old->ask('SELECT count(*) FROM keypool.api_keys');
my $third = add('dddd', q{weight => 2});
change("SELECT revoke_key($first); SELECT revoke_key($user_key)");
is(pick($old), 'dddd', 'inside REPEATABLE READ: the revoked key is gone, the new one there');
is(pick($old, q{'u1'}), 'dddd', q{so is a user's});
is($old->ask('SELECT count(*) FROM keypool.api_keys'), $seen, 'though its snapshot is the old one');
$old->ask('COMMIT');

# What the transaction changed first was undone by a savepoint; what it changed then was not.
change(qq{BEGIN; SAVEPOINT s; SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'lost');
	ROLLBACK TO s; SELECT revoke_key($third); COMMIT});
like(pick($old), qr/KP001/, 'a key revoked after a rolled-back savepoint is gone');

# Another extension, the same key ids: nothing of the old one is left.
add('gone');
both_pick($old, '', 'gone', 'before the extension is dropped');
change('DROP EXTENSION pg_keypool; CREATE EXTENSION pg_keypool;');
like(pick($old), qr/KP001/, 'an extension dropped and created again has no keys');
my $reborn = add('eeee');
both_pick($old, '', 'eeee', 'and then its own');
change("SELECT revoke_key($reborn)");
like(pick($old), qr/KP001/, 'of which it follows the changes, too');
$reborn = add('ffff');
my $mine = add('user', q{user_id => 'u1'});
both_pick($old, '', 'ffff', 'before the promotion');
both_pick($old, q{'u1'}, 'user', 'before the promotion, a user');

# Promotion: nobody looked since the last revocations were replayed.
change("SELECT revoke_key($reborn); SELECT revoke_key($mine)");
$primary->stop('immediate');
$standby->promote;
like(pick($old), qr/KP001/, 'after the promotion a revoked key stays revoked: an old session');
like(pick($old, q{'u1'}), qr/KP001/, q{a user's, too});
my $new = new_session();
like(pick($new), qr/KP001/, 'and for a new one');
is($new->ask(q{SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'gggg') > 0}), 't',
	'keys can be added now');
both_pick($old, '', 'gggg', 'and picked at once');
ok(KeypoolCluster::worker($standby, 'postgres'), 'a worker runs');
is($new->ask(q{SELECT revoke_key(max(id)) FROM keypool.api_keys}), '', 'and revoked');
like(pick($old), qr/KP001/, 'with effect at once');
$old->close;
$new->close;
$standby->stop;
done_testing();
