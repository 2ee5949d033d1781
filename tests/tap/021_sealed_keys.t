# What is stored is opened as it was sealed or not at all: damage and exchanged rows give KP004, each
# with a text of its own, and nobody else's key is affected.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('sealed');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');

sub ask { return KeypoolCluster::ask($node, @_) }
sub secret { return 'sk-proj-' . 'd' x 24 . sprintf('%04d', $_[0]) }

# Each user has one key, of his own number.
for my $user (1 .. 9) {
	is(ask("SELECT add_key('openai', '" . secret($user) . "', user_id => 'u$user')"), $user,
		"u$user has key $user");
}
# As a replica one gets past the guard, as a restore would.
sub tamper {
	my ($change) = @_;
	$node->safe_psql('postgres', "SET session_replication_role = replica; $change");
}
sub tamper_envelope {
	my ($user, $envelope) = @_;
	tamper("UPDATE keypool.api_keys SET envelope = $envelope WHERE id = $user");
}
sub pick { return ask("SELECT pick_key('openai', user_id => 'u$_[0]')") }

is(pick(1), secret(1), 'a key opens as it was stored');

tamper_envelope(1, 'set_byte(envelope, 20, get_byte(envelope, 20) # 1)');
like(pick(1), qr/KP004: could not decrypt key 1\b.*damaged, or it belongs to another row/s,
	'a flipped bit of the ciphertext');
tamper_envelope(2, 'set_byte(envelope, 0, 9)');
like(pick(2), qr/KP004: stored envelope of key 2 is of an unknown version.*version 9/s,
	'an unknown version');
tamper_envelope(3, 'substr(envelope, 1, 20)');
like(pick(3), qr/KP004: stored envelope of key 3 is too short.*20 bytes/s, 'cut off');
tamper_envelope(4, 'set_byte(envelope, 4, 77)');
like(pick(4), qr/KP004: data key 77 is missing/, 'sealed under a data key that is not there');

tamper("UPDATE keypool.api_keys k SET envelope = o.envelope FROM keypool.api_keys o "
	  . "WHERE (k.id, o.id) IN ((5, 6), (6, 5))");
for my $user (5, 6) {
	like(pick($user), qr/KP004: could not decrypt key $user\b.*id, provider or owner differ/s,
		"an envelope exchanged with another row's: u$user");
}
tamper("UPDATE keypool.api_keys SET provider = 'deepseek' WHERE id = 7");
like(ask("SELECT pick_key('deepseek', user_id => 'u7')"), qr/KP004: could not decrypt key 7\b/,
	'moved to another provider');
tamper("UPDATE keypool.api_keys SET user_id = 'mallory' WHERE id = 8");
like(ask("SELECT pick_key('openai', user_id => 'mallory')"),
	qr/KP004: could not decrypt key 8\b/, 'moved to another owner');

is(pick(9), secret(9), 'a key next to all of these is untouched');
ask("SELECT rotate_key(1, '" . secret(101) . "')");
is(pick(1), secret(101), 'a new secret heals a damaged key');

tamper('UPDATE keypool.data_keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) '
	  . "WHERE purpose = 'data'");
like(pick(9), qr/KP004: data key 2 could not be decrypted/, 'a damaged data key');
tamper('UPDATE keypool.data_keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) '
	  . "WHERE purpose = 'data'");
tamper("DELETE FROM keypool.data_keys WHERE purpose = 'fingerprint'");
is(pick(9), secret(9), 'without the fingerprint key a key opens');
like(ask("SELECT add_key('openai', '" . secret(500) . "')"), qr/KP004: fingerprint key is missing/,
	'but none is stored, since nobody could recognise it');
is(ask("SELECT count(*) FROM keypool.data_keys"), 1, 'and no new fingerprint key hides the loss');

done_testing();
