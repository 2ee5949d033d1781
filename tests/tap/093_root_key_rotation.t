# Another root key: from the server's own file, a named one, a command; in two databases; after a crash
# between any two steps; and what happens when the old one goes too early.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $node = KeypoolCluster::start('roots', 'keypool.health_check_interval = 0');
my $default = $node->data_dir . '/pg_keypool.root_key';
my $secret = 'sk-' . 'r' x 48;
for my $database ('postgres', 'second')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, 'CREATE EXTENSION pg_keypool');
	$node->safe_psql($database, "SELECT add_key('openai', '$secret')");
}

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }
sub roots { return sql(q{SELECT string_agg(DISTINCT left(encode(root_id, 'hex'), 8), ' ')
	FROM keypool.data_keys}, $_[0]) }
sub opens { return sql("SELECT pick_key('openai') = '$secret'", $_[0]) eq 't' }

sub lines
{
	my ($file) = @_;
	return split /\n/, slurp_file($file);
}

sub write_file
{
	my ($file, @lines) = @_;
	open my $handle, '>', $file or die "$file: $!";
	print {$handle} map { "$_\n" } @lines;
	close $handle;
	chmod 0600, $file;
	return;
}

# True once a database's keys are wrapped with that root key, and the worker says so.
sub follows
{
	my ($database, $root) = @_;
	return KeypoolCluster::await(sub {
		roots($database) eq $root && sql(q{SELECT state || ' ' || root_key FROM
			keypool.reencryption_progress WHERE what = 'root_key'}, $database) eq "done $root" });
}

# --- the default file
my $first = roots('postgres');
is(roots('second'), $first, 'both databases begin with one root key');
my @before = lines($default);
is(@before, 1, 'which is all that its file holds');
my $old_session = PsqlSession->new($node);
$old_session->ask("SELECT length(pick_key('openai'))");
my $answer = sql('SELECT rotate_root_key()');
like($answer, qr/^root key [0-9a-f]{8} made in ".*pg_keypool\.root_key": 2 of 2 keys/, 'it says what it did');
my ($second) = $answer =~ /^root key (\w+)/;
isnt($second, $first, 'it is another one');
is(roots('postgres'), $second, 'the keys of this database are wrapped with it');
my @after = lines($default);
is(@after, 2, 'the file holds both');
is($after[1], $before[0], 'the old one below the new');
is((stat $default)[2] & 07777, 0600, 'its mode is what it was');
ok(!-e "$default.new", 'and nothing is left beside it');
ok(follows('second', $second), 'the other database follows by itself');
ok(opens('postgres') && opens('second'), 'keys open in both');
is($old_session->ask("SELECT length(pick_key('openai'))"), length $secret, 'and in an old session');

# Its memory holds the old root key alone; new data keys are wrapped with the newest all the same.
is($old_session->ask('SELECT rotate_data_key()'), 3, 'an old session rotates the data key');
is(roots('postgres'), $second, 'and wraps with the newest root key');
$old_session->close;

# --- the old line is removed
write_file($default, $after[0]);
ok(opens('postgres') && opens('second'), 'without the old line all opens');
$node->restart;
ok(opens('postgres') && opens('second'), 'after a restart too');

# --- a crash between steps: the file has the new key, no database uses it
my $by_hand = unpack 'H*', join '', map { chr int rand 256 } 1 .. 32;
$node->stop('immediate');
write_file($default, $by_hand, $after[0]);
write_file("$default.new", 'unfinished');
$node->start;
ok(opens('postgres'), 'with both keys in the file all opens');
ok(KeypoolCluster::await(sub { roots('postgres') ne $second && roots('second') ne $second }),
	'and the workers take the new one into use when they start');
my $third = roots('postgres');
is(roots('second'), $third, 'the same in both');
# One that is not in use is taken before another is made.
$answer = sql('SELECT rotate_root_key()');
like($answer, qr/made in/, 'with nothing to take into use one is made');
is(lines($default), 3, 'on top of those that are there');
my $fourth = roots('postgres');
ok(follows('second', $fourth), 'which the other database follows');

# --- removed too early
my @three = lines($default);
write_file($default, unpack('H*', 'x' x 32));
my $told = KeypoolCluster::ask($node, "SELECT pick_key('openai')");
like($told, qr/KP005: .*not the one this database was keyed with/, 'with a wrong one alone nothing opens');
like($told, qr/keyed with root key $fourth/, 'and the missing one is named');
like(KeypoolCluster::ask($node, 'SELECT rotate_root_key()'), qr/KP005/, 'nor is anything rewrapped');
is(roots('postgres'), $fourth, 'nothing was changed');
write_file($default, @three);
ok(opens('postgres'), 'put back, all opens');

# --- a named file, which the server may not replace
my $folder = PostgreSQL::Test::Utils::tempdir;
my $named = "$folder/keypool.key";
write_file($named, $three[0]);
$node->append_conf('postgresql.conf', "keypool.root_key_file = '$named'");
$node->reload;
ok(KeypoolCluster::await(sub { sql('SHOW keypool.root_key_file') eq $named }), 'a file is named');
ok(opens('postgres'), 'from which keys open');
chmod 0500, $folder;
$told = KeypoolCluster::ask($node, 'SELECT rotate_root_key()');
like($told, qr/a new root key must be put in place by hand/, 'in a folder it may not write it says so');
like($told, qr/HINT:  Put a new key, .* and call rotate_root_key\(\) again/, 'and how to go on');
chmod 0700, $folder;
like(sql('SELECT rotate_root_key()'), qr/made in "\Q$named\E"/, 'elsewhere it makes one');
is(lines($named), 2, 'in that file');
my $fifth = roots('postgres');
ok(follows('second', $fifth), 'the other database follows');

# A rolled back rotation leaves the new key in the file, and the worker takes it into use.
sql('BEGIN; SELECT rotate_root_key(); ROLLBACK');
is(lines($named), 3, 'a rollback leaves the key in its file');
ok(KeypoolCluster::await(sub { roots('postgres') ne $fifth && roots('second') ne $fifth }),
	'which is taken into use all the same');
ok(opens('postgres') && opens('second'), 'and all opens');

# --- a command
my $command = "$folder/printed";
my @named = lines($named);
write_file($command, @named);
$node->append_conf('postgresql.conf', "keypool.root_key_file = ''\nkeypool.root_key_command = 'cat $command'");
$node->reload;
ok(KeypoolCluster::await(sub { sql('SHOW keypool.root_key_file') eq '' }), 'a command instead');
ok(opens('postgres'), 'prints several keys');
my $sixth = roots('postgres');
like(KeypoolCluster::ask($node, 'SELECT rotate_root_key()'), qr/comes from keypool\.root_key_command/,
	'it cannot be made to print a new one');
write_file($command, unpack('H*', 'z' x 32), @named);
like(sql('SELECT rotate_root_key()'), qr/taken into use: 3 of 3 keys|taken into use: 2 of 2 keys/,
	'once it prints one that is taken into use');
isnt(roots('postgres'), $sixth, 'the keys are wrapped with it');
ok(KeypoolCluster::await(sub { roots('second') eq roots('postgres') }), 'in the other database as well');

# --- a dump finds its root key by what stands in it
my $dump = "$folder/dump.sql";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump after it');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump,
	'-o', '/dev/null' ], 'is restored');
ok(opens('restored'), 'and opens');

$node->stop;
done_testing();
