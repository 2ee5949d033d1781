# Commands that need a database without connections work while its worker runs, at once and with no
# manual step, and the worker is where it should be afterwards.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('databases');

# Runs a statement; it must succeed, and in far less than the five seconds for which the server
# itself would wait for connections to go.
sub at_once
{
	my ($sql, $what) = @_;
	my ($status, $out, $err);
	my $seconds = KeypoolCluster::seconds(
		sub { ($status, $out, $err) = $node->psql('postgres', $sql) });
	is($status, 0, $what) or diag $err;
	cmp_ok($seconds, '<', 4, "$what: at once");
	return;
}

sub with_extension
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION pg_keypool');
	return KeypoolCluster::worker($node, $database);
}

# Templates.
my $worker = with_extension('pattern');
at_once('CREATE DATABASE copy TEMPLATE pattern', 'CREATE DATABASE from a watched template');
ok(KeypoolCluster::worker($node, 'copy'), 'the copy gets a worker');
ok(KeypoolCluster::worker($node, 'pattern'), 'and the template gets its own again');
at_once(q{CREATE DATABASE copy2 TEMPLATE pattern STRATEGY file_copy}, 'the other way of copying');
ok(KeypoolCluster::worker($node, 'copy2'), 'its copy gets a worker too');

$node->safe_psql('template1', 'CREATE EXTENSION pg_keypool');
ok(KeypoolCluster::worker($node, 'template1'), 'template1 can have the extension');
at_once("CREATE DATABASE plain$_", 'and still be copied by default') for 1 .. 3;
ok(KeypoolCluster::worker($node, "plain$_"), "plain$_ is watched") for 1 .. 3;
$node->safe_psql('template1', 'DROP EXTENSION pg_keypool');

# Names and places.
at_once('ALTER DATABASE copy RENAME TO renamed', 'ALTER DATABASE RENAME');
ok(KeypoolCluster::worker($node, 'renamed'), 'the worker comes back under the new name');
$node->safe_psql('postgres',
	q{SET allow_in_place_tablespaces = on; CREATE TABLESPACE elsewhere LOCATION ''});
at_once('ALTER DATABASE renamed SET TABLESPACE elsewhere', 'ALTER DATABASE SET TABLESPACE');
ok(KeypoolCluster::worker($node, 'renamed'), 'the worker comes back there');

# A command that fails gives the database back.
$worker = KeypoolCluster::worker($node, 'renamed');
my ($status, $out, $err) = $node->psql('postgres', 'BEGIN; DROP DATABASE renamed');
like($err, qr/cannot run inside a transaction block/, 'a refused DROP DATABASE');
($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE renamed RENAME TO postgres');
like($err, qr/already exists/, 'a failed RENAME');
ok(KeypoolCluster::worker($node, 'renamed'), 'leave the database watched');

# Only who may change a database can send its worker away.
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
$worker = KeypoolCluster::worker($node, 'renamed');
for my $sql ('DROP DATABASE renamed', 'ALTER DATABASE renamed RENAME TO mine',
	'CREATE DATABASE mine TEMPLATE renamed')
{
	($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'nobody' ]);
	like($err, qr/must be owner|permission denied/, "refused: $sql");
}
is(KeypoolCluster::worker($node, 'renamed'), $worker, 'and the worker never went');

# The end of a database, of an extension.
at_once('DROP DATABASE renamed', 'DROP DATABASE');
at_once('DROP DATABASE copy2 WITH (FORCE)', 'DROP DATABASE WITH (FORCE)');
my %workers = KeypoolCluster::workers($node);
ok(!grep({ /renamed|copy2/ } keys %workers), 'their workers are gone');

# More databases than the board has entries, one after the other: entries are given back.
my $failed = 0;
for my $number (1 .. 140)
{
	($status) = $node->psql('postgres', "CREATE DATABASE churn TEMPLATE template0");
	$failed++ if $status != 0;
	($status) = $node->psql('postgres', 'DROP DATABASE churn');
	$failed++ if $status != 0;
}
is($failed, 0, 'many databases come and go');
ok(with_extension('after'), 'and the next one still gets a worker');

$worker = KeypoolCluster::worker($node, 'pattern');
$node->safe_psql('pattern', q{
	SELECT add_key('openai', 'sk-' || repeat('b', 48), user_id => 'u1');
	SELECT pick_key('openai', user_id => 'u1')});
cmp_ok(KeypoolCluster::seconds(sub { $node->safe_psql('pattern', 'DROP EXTENSION pg_keypool') }),
	'<', 4, 'DROP EXTENSION waits for nobody');
ok(KeypoolCluster::no_worker($node, 'pattern'), 'and its worker goes by itself');
$node->safe_psql('pattern', 'CREATE EXTENSION pg_keypool');
ok(KeypoolCluster::worker($node, 'pattern', $worker), 'made again, it has a worker again');
($status, $out, $err) = $node->psql('pattern', q{SELECT pick_key('openai', user_id => 'u1')});
like($err, qr/no .*key/i, 'and the pool has forgotten the keys of before');

$worker = KeypoolCluster::worker($node, 'pattern');
$node->safe_psql('pattern',
	'BEGIN; DROP EXTENSION pg_keypool; CREATE EXTENSION pg_keypool; COMMIT');
ok(KeypoolCluster::worker($node, 'pattern', $worker), 'dropped and made anew in one transaction');
$node->safe_psql('after', 'DROP EXTENSION pg_keypool; CREATE SCHEMA s');
$node->safe_psql('after', 'CREATE EXTENSION pg_keypool SCHEMA s');
ok(KeypoolCluster::worker($node, 'after'), 'an extension in a schema of its own');
$node->safe_psql('after', 'DROP SCHEMA s CASCADE');
ok(KeypoolCluster::no_worker($node, 'after'), 'that goes with its schema takes the worker along');

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/,
	'nothing crashed');

done_testing();
