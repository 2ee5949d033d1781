# pg_dump | psql into a new cluster: with the same root key everything picks as before; with another
# one, KP005 says why nothing does, and the rest of the database works.
use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub new_node {
	my ($name, $root_key) = @_;
	my $node = KeypoolCluster::start($name);
	return $node unless defined $root_key;
	# In place of the one made at the start, which nobody has used.
	copy($root_key, $node->data_dir . '/pg_keypool.root_key') or die $!;
	return $node;
}
sub ask { return KeypoolCluster::ask(@_) }

my $secret = 'sk-proj-ssssssssssssssssssssssss';
my $source = new_node('source');
$source->safe_psql('postgres', <<"SQL");
CREATE EXTENSION pg_keypool;
SELECT add_key('openai', '${secret}0001', rate_limit => 100);
SELECT add_key('openai', '${secret}0002', user_id => 'u1');
SELECT add_key('openai', '${secret}0003', organization_id => 'o1');
SELECT add_key('openai', '${secret}0004', name => 'revoked');
SELECT revoke_key(4, 'left the company');
UPDATE keypool.providers SET strategy = 'single' WHERE name = 'openai';
INSERT INTO keypool.providers (name, display_name, base_url)
VALUES ('acme', 'Acme', 'https://llm.acme.test/v1');
SELECT add_key('acme', 'acme-ssssssssssssssss');
SQL

my $dump = PostgreSQL::Test::Utils::tempdir . '/keypool.sql';
command_ok([ 'pg_dump', '-h', $source->host, '-p', $source->port, '-f', $dump, 'postgres' ],
	'pg_dump works');
unlike(slurp_file($dump), qr/ssssssss/, 'and its output holds no secret');

my $same = new_node('same', $source->data_dir . '/pg_keypool.root_key');
$same->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', $dump ],
	'it restores');
is(ask($same, "SELECT pick_key('openai')"), "${secret}0001", "the system's key");
is(ask($same, "SELECT pick_key('openai', 'u1')"), "${secret}0002", "a user's key");
is(ask($same, "SELECT pick_key('openai', NULL, 'o1')"), "${secret}0003", "an organization's key");
is(ask($same, "SELECT pick_key('acme')"), 'acme-ssssssssssssssss', 'a provider of one\'s own');
is(ask($same, "SELECT strategy FROM keypool.providers WHERE name = 'openai'"), 'single',
	'an edited provider');
is(ask($same, "SELECT resolve_key('${secret}0003')"), 3, 'fingerprints');
is( ask($same, 'SELECT revoke_reason, envelope IS NULL FROM keypool.api_keys WHERE id = 4'),
	'left the company|t', 'the revoked stays revoked');
is(ask($same, "SELECT add_key('openai', '${secret}0005')"), 6, 'ids go on');
is(ask($same, 'SELECT count(*) FROM keypool.data_keys'), 2, 'under the same data key');
like(ask($same, "SELECT add_key('openai', '${secret}0001')"), qr/23505: secret is stored already/,
	'what was stored before is recognised');

my $other = new_node('other');
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', $dump ],
	'it restores beside another root key');
my $mismatch = qr/ERROR:  KP005: root key is not the one this database was keyed with/;
for my $call (
	"SELECT pick_key('openai')",
	"SELECT pick_key('openai', 'u1')",
	"SELECT add_key('openai', '${secret}0009')",
	"SELECT rotate_key(1, '${secret}0009')",
	"SELECT resolve_key('${secret}0001')")
{
	like(ask($other, $call), $mismatch, "$call: KP005");
}
is(ask($other, 'SELECT count(*) FROM keypool.api_keys_overview'), 5, 'the views work');
is(ask($other, "SELECT bool_and(ok) FROM validate_key('openai', '${secret}0009')"), 't',
	'so do checks of format');
is(ask($other, 'SELECT revoke_key(1)'), '', 'so does revoking');
copy($source->data_dir . '/pg_keypool.root_key', $other->data_dir . '/pg_keypool.root_key')
  or die $!;
is(ask($other, "SELECT pick_key('openai', 'u1')"), "${secret}0002",
	'with the right root key everything opens');

done_testing();
