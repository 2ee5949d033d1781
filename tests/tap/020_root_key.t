# The root key: made at the first start, read from a file or a command, and every way in which it can
# be wrong told apart, by KP005 and a text of its own. The server itself always starts.
use strict;
use warnings;

use POSIX ();

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('root');
my $default = $node->data_dir . '/pg_keypool.root_key';
my $elsewhere = PostgreSQL::Test::Utils::tempdir . '/root_key';
my $secret = 'sk-proj-rrrrrrrrrrrrrrrrrrrrrrrr0001';

# What the server has logged since the last call.
my $log_read = 0;
sub new_log {
	my $log = slurp_file($node->logfile, $log_read);
	$log_read += length $log;
	return $log;
}

sub ask { return KeypoolCluster::ask($node, @_) }

sub write_key {
	my ($path, $content, $mode) = @_;
	unlink $path;
	append_to_file($path, $content);
	chmod $mode // 0600, $path or die "$path: $!";
}

sub configure {
	my (%settings) = @_;
	for my $name (qw(root_key_file root_key_command)) {
		my $value = $settings{$name} // '';
		$node->safe_psql('postgres', "ALTER SYSTEM SET keypool.$name = \$q\$$value\$q\$");
	}
	$node->reload;
	# A new session may still begin with the old settings for a moment.
	$node->poll_query_until('postgres',
		"SELECT current_setting('keypool.root_key_file') = \$q\$"
		  . ($settings{root_key_file} // '')
		  . "\$q\$ AND current_setting('keypool.root_key_command') = \$q\$"
		  . ($settings{root_key_command} // '') . "\$q\$")
	  or die 'the settings did not arrive';
}

# --- made at the first start

my $log = new_log();
like($log, qr/WARNING:  created a root key in the data directory/, 'the first start makes one');
like($log, qr/DETAIL:.*a copy or a backup of the data directory carries both/,
	'and says what that means');
is((stat $default)[2] & 07777, 0600, 'for the server alone');
my $key = slurp_file($default);
like($key, qr/^[0-9a-f]{64}\n$/, 'in hexadecimal digits');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
$node->safe_psql('postgres', "SELECT add_key('openai', '$secret')");
my $pick = "SELECT pick_key('openai')";
is(ask($pick), $secret, 'a key can be stored and picked');

$node->restart;
is(slurp_file($default), $key, 'a second start leaves it alone');
unlike(new_log(), qr/created a root key/, 'and is silent about it');
is(ask($pick), $secret, 'and what was stored opens');

# --- everything that can be wrong with the file

rename $default, $elsewhere or die $!;
like(ask($pick), qr/ERROR:  KP005: root key file "pg_keypool.root_key" is missing/, 'missing');
like(ask("SELECT add_key('openai', 'sk-proj-rrrrrrrrrrrrrrrrrrrrrrrr0002')"),
	qr/KP005: root key file "pg_keypool.root_key" is missing/, 'nothing can be stored then');
is(ask('SELECT count(*) FROM keypool.api_keys'), 1, 'and nothing was');

SKIP: {
	skip 'the superuser may read anything', 1 if $> == 0;
	write_key($default, $key, 0);
	like(ask($pick), qr/KP005: could not read root key file .*Permission denied/, 'unreadable');
}
write_key($default, $key, 0640);
like(ask($pick), qr/KP005: root key file .* is accessible to others.*mode is 0640.*chmod 600/s,
	'too open');
write_key($default, "0123456789abcdef\n");
like(ask($pick), qr/KP005: root key has the wrong length.*file "pg_keypool.root_key".*17 bytes/s,
	'wrong length');
write_key($default, 'x' x 64);
like(ask($pick), qr/KP005: root key is malformed/, 'malformed');
write_key($default, '');
like(ask($pick), qr/KP005: root key has the wrong length.*0 bytes/s, 'empty');
write_key($default, 'k' x 9999);
like(ask($pick), qr/KP005: root key has the wrong length/, 'far too long');
write_key($default, "\0" x 32);
like(ask($pick), qr/KP005: root key is all zeros/, 'all zeros');
unlink $default;
mkdir $default or die $!;
like(ask($pick), qr/KP005: root key file .* is not a regular file/, 'a folder');
rmdir $default;
POSIX::mkfifo($default, 0600) or die $!;
like(ask($pick), qr/KP005: root key file .* is not a regular file/, 'a pipe holds nobody up');
unlink $default;
write_key($default, 'ab' x 32);
my $changed = ask($pick);
like($changed, qr/KP005: root key is not the one this database was keyed with/, 'changed');
unlike($changed, qr/abababab/, 'which shows nothing of either');
write_key($default, $key);
is(ask($pick), $secret, 'put right, it works at once');

# --- a session that has it goes on

my $held = ask("$pick;\n\\! mv '$default' '$default.away'\n$pick;\n"
	  . "SELECT add_key('openai', 'sk-proj-rrrrrrrrrrrrrrrrrrrrrrrr0003') > 0;\n"
	  . "\\! mv '$default.away' '$default'\n");
is($held, "$secret\n$secret\nt", 'a session that has read the root key does not read it again');
$node->safe_psql('postgres', "SELECT revoke_key(max(id)) FROM keypool.api_keys");

# --- a file and a command of one's own

unlink $default;
write_key($elsewhere, $key);
configure(root_key_file => $elsewhere);
is(ask($pick), $secret, 'keypool.root_key_file');
configure(root_key_command => "cat '$elsewhere'");
is(ask($pick), $secret, 'keypool.root_key_command');
configure(root_key_file => $elsewhere, root_key_command => 'false');
is(ask($pick), $secret, 'the file goes before the command');
configure(root_key_file => '/nonexistent/root_key');
like(ask($pick), qr{KP005: root key file "/nonexistent/root_key" is missing}, 'no such file');

new_log();
configure(root_key_command => "cat '$elsewhere' >&2; exit 3");
my $failed = ask($pick);
like($failed, qr/KP005: keypool.root_key_command failed.*exited with exit code 3/s,
	'a command that fails');
chomp(my $digits = $key);
unlike($failed . new_log(), qr/$digits/, 'whose error output is kept nowhere');
configure(root_key_command => 'no-such-program-at-all');
like(ask($pick), qr/KP005: keypool.root_key_command failed.*(code 127|not found)/s, 'no such command');
configure(root_key_command => 'echo too short');
like(ask($pick), qr/KP005: root key has the wrong length.*keypool.root_key_command.*10 bytes/s,
	'a command that prints something else');
configure(root_key_command => 'yes');
like(ask($pick), qr/KP005: root key has the wrong length/, 'a command that does not end');
configure(root_key_command => 'sleep 600');
my $begin = time;
like(ask("SET statement_timeout = '1s'; $pick"), qr/57014: canceling statement/,
	'a command that hangs is cancelled');
cmp_ok(time - $begin, '<', 60, 'at once');

# --- the start of a server

configure();
ok(!-e $default, 'a running server makes no root key');
mkdir "$default.new" or die $!;
new_log();
$node->restart;
like(new_log(), qr/WARNING:  could not create root key file/, 'a start that cannot make one goes on');
rmdir "$default.new";
write_key($default, $key);
is(ask($pick), $secret, 'and uses the one that comes later');

$node->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 4\nhot_standby = on\n");
$node->restart;
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
my $copy = $standby->data_dir . '/pg_keypool.root_key';
ok(-e $copy, 'a base backup carries the default file');
unlink $copy;
$standby->start;
ok(!-e $copy, 'a standby makes none of its own');
my ($out, $err) = ('', '');
$standby->psql('postgres', $pick, stdout => \$out, stderr => \$err,
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/KP005: root key file .* is missing/, 'and says that it has none');
write_key($copy, $key);
is($standby->safe_psql('postgres', $pick), $secret, 'with the one of its primary it picks');

done_testing();
