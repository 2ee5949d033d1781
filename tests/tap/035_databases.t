# Several databases of a cluster, and an extension that goes and comes back: nobody sees keys that
# are not his, and an old session forgets at once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $node = KeypoolCluster::start('databases', 'keypool.health_check_interval = 0',
	'keypool.default_strategy = single');
my %session;
for my $database (qw(red blue))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION pg_keypool');
	$session{$database} = PsqlSession->new($node, $database);
}

sub ask { return $session{$_[0]}->ask($_[1]) }

sub add
{
	my ($database, $tail, $more) = @_;
	return ask($database, "SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || '$tail'"
		  . ($more ? ", $more" : '') . ')');
}

sub pick
{
	my ($database, $who) = @_;
	return ask($database, q{SELECT right(pick_key('openai'} . ($who ? ", '$who'" : '') . '), 4)');
}

# The same ids, users and secrets' shapes on both sides.
my $id = add('red', 'redd');
like(pick('blue'), qr/KP001/, 'a key of one database is no key of another');
is(add('blue', 'blue'), $id, 'ids are the same in both');
add('red', 'redu', q{user_id => 'u1'});
like(pick('blue', 'u1'), qr/^blue$/, q{a user's key neither});
add('blue', 'bluu', q{user_id => 'u1'});
is(pick($_) . ' ' . pick($_, 'u1'), $_ eq 'red' ? 'redd redu' : 'blue bluu', "$_ picks its own")
  for qw(red blue red blue);
is(ask('red', "SELECT mark_key_error($id, 'invalid_api_key', 401)"), 'credential',
	'a report is of the key here');
like(pick('red'), qr/KP001/, 'which is out');
is(pick('blue'), 'blue', 'and not the one there');
my $lease = ask('blue', q{SELECT lease_id FROM acquire_key('openai')});
like(ask('red', "SELECT release_key($lease)"), qr/KP008/, 'a lease is known where it was taken');
is(ask('blue', "SELECT release_key($lease)"), '', 'and there only');
is(ask('blue', 'SELECT string_agg(hint, \' \' ORDER BY key_id) FROM keypool.api_keys_overview'),
	'sk-proj-…blue sk-proj-…bluu', 'views show their own');
is(ask('blue', q{SELECT sum(picks) FROM keypool.api_keys_overview}), 7, 'and count their own');
ask('red',
	q{UPDATE keypool.providers SET strategy = 'random', enabled = false WHERE name = 'openai'});
is(ask('blue', q{SELECT strategy FROM acquire_key('openai')}), 'single', 'providers are apart');
ask('red', q{UPDATE keypool.providers SET strategy = NULL, enabled = true WHERE name = 'openai'});
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_proc WHERE proname = 'pick_key'}), 0,
	'and a database without the extension has none of it');

# It goes and comes back, elsewhere, while sessions stay.
my $witness = PsqlSession->new($node, 'red');
is($witness->ask(q{SELECT right(pick_key('openai', 'u1'), 4)}), 'redu', 'a witness');
$witness->ask(q{PREPARE p AS SELECT right(pick_key('openai', 'u1'), 4); EXECUTE p});
ask('red', 'DROP EXTENSION pg_keypool');
like($witness->ask(q{SELECT pick_key('openai')}), qr/42883/,
	'a dropped extension has no functions');
ask('red', 'BEGIN');
ask('red', 'CREATE SCHEMA elsewhere; CREATE EXTENSION pg_keypool SCHEMA elsewhere');
ask('red', 'COMMIT');
like($witness->ask(q{SELECT elsewhere.pick_key('openai', 'u1')}), qr/KP001.*There is no key/s,
	'a new one has no keys of the old');
like($witness->ask('EXECUTE p'), qr/42883|KP001/, 'not through an old plan either');
$witness->ask('SET search_path = elsewhere, public');
is($witness->ask(q{SELECT count(*) FROM keypool.api_keys_overview}), 0, 'nor views');
is($witness->ask(q{SELECT elsewhere.add_key('openai', 'sk-proj-' || repeat('k', 24) || 'newr')}),
	$id, 'its ids begin anew');
is($witness->ask(q{SELECT right(pick_key('openai', 'u1'), 4)}), 'newr', 'its first key is picked');
is($witness->ask(q{SELECT state, picks, errors FROM keypool.api_keys_overview}), 'healthy|1|0',
	'with nothing of the other key that had its id');
is($session{red}->ask(q{SELECT right(elsewhere.pick_key('openai'), 4)}), 'newr',
	'the session that did it knows, too');
is(pick('blue', 'u1'), 'bluu', 'and the neighbour noticed nothing');

# A drop that is undone was none.
ask('blue', 'BEGIN; DROP EXTENSION pg_keypool');
ask('blue', 'ROLLBACK');
is(pick('blue') . ' ' . pick('blue', 'u1'), 'blue bluu', 'a drop rolled back was none');
ask('blue', 'BEGIN; SAVEPOINT s; DROP EXTENSION pg_keypool; ROLLBACK TO s; COMMIT');
is(pick('blue') . ' ' . pick('blue', 'u1'), 'blue bluu', 'to a savepoint likewise');
# Drop and create in one transaction.
ask('blue', 'BEGIN; DROP EXTENSION pg_keypool; CREATE EXTENSION pg_keypool; COMMIT');
like(pick('blue'), qr/KP001.*There is no key/s,
	'dropped and created in one transaction: all is gone');
is(add('blue', 'last'), $id, 'and begins anew');
is(pick('blue', 'u1'), 'last', 'with its own keys');
# By way of its schema, and of its owner.
ask('blue', q{DROP EXTENSION pg_keypool; CREATE SCHEMA home;
	CREATE EXTENSION pg_keypool SCHEMA home});
ask('blue', 'SET search_path = home; SET client_min_messages = error');
add('blue', 'home');
is(pick('blue'), 'home', 'in a schema of its own');
ask('blue', 'DROP SCHEMA home CASCADE; CREATE SCHEMA home; CREATE EXTENSION pg_keypool');
like(pick('blue'), qr/KP001.*There is no key/s, 'dropped with its schema: all is gone, too');
ask('blue', q{DROP EXTENSION pg_keypool; CREATE ROLE owner SUPERUSER; SET ROLE owner;
	CREATE EXTENSION pg_keypool});
add('blue', 'ownd');
is(pick('blue'), 'ownd', 'of an owner of its own');
ask('blue', 'RESET ROLE; DROP OWNED BY owner CASCADE; CREATE EXTENSION pg_keypool');
like(pick('blue'), qr/KP001.*There is no key/s, 'dropped with its owner: likewise');

# A database that goes takes its keys along, and one that is copied brings them.
$_->close for $witness, delete $session{red};
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE red');
is($node->safe_psql('copy', q{SELECT right(elsewhere.pick_key('openai'), 4)}), 'newr',
	'a copied database has the keys');
$node->safe_psql('postgres', 'DROP DATABASE red');
is($node->safe_psql('copy', q{SELECT right(elsewhere.pick_key('openai'), 4)}), 'newr',
	'and keeps them when the first is dropped');
$session{blue}->close;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nobody died');
$node->stop;
done_testing();
