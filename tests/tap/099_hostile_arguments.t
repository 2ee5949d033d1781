# Every function with hostile arguments, one at a time: SQL injection, sizes, control characters,
# bytes that are no UTF-8, numbers and moments at the end of their range, deep JSON. Each call ends
# in an ordinary error or stores the value as it is; no server goes down, no table is harmed, and no
# error repeats a secret.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use HostileCalls;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('hostile', 'keypool.worker = off', 'log_min_error_statement = panic',
	'log_error_verbosity = terse');

# A database of each encoding: in one without, any bytes are text.
sub prepare
{
	my ($database, $encoding) = @_;
	$node->safe_psql('postgres',
		"CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, q{
		CREATE EXTENSION pg_keypool;
		SELECT add_key('openai', 'sk-proj-' || repeat('o', 24) || '0001');
		SELECT add_key('openai', 'sk-proj-' || repeat('o', 24) || 'user', user_id => 'u1');
		SELECT log_request('openai', 'gpt-4o', 'u1', api_key_id => 1, input_tokens => 5);
		SELECT keypool.fold_requests()});
	return HostileCalls->new($node, $database);
}

# All there is in our tables.
sub contents
{
	my ($database) = @_;
	my $query = $node->safe_psql($database, q{
		SELECT string_agg(format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, '','' ORDER BY t::text), ''''))'
			' FROM %s AS t', c.oid::regclass, c.oid::regclass), ' UNION ALL ' ORDER BY c.relname) FROM pg_class c
		WHERE c.relnamespace = 'keypool'::regnamespace AND c.relkind IN ('r', 'p')});
	return $node->safe_psql($database, $query);
}

sub started { return $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()') }

# Bytes that no UTF-8 has, and what is cut in the middle of a character.
my %bytes = (
	text => [ "E'$HostileCalls::MARK\\xff\\xfe\\x80'", "E'\\xc3'", "E'$HostileCalls::MARK\\xf0\\x9f\\x92'" ],
	jsonb => [ "E'{\"$HostileCalls::MARK\\xff\": \"\\xc3(\"}'", "E'[\"\\xed\\xa0\\x80\"]'",
		"E'{\"providers\": {\"openai\": {\"api_keys\": [{\"key\": \"sk-proj-\\xff\\xfe\", \"name\": \"\\xff\"}]}}}'",
		"E'[{\"provider\": \"openai\", \"model\": \"\\xff\", \"user_id\": \"\\xff\", \"status\": \"\\xff\"}]'" ],
	'text[]' => [ "E'{\"\\xff\\xfe\\xc3\"}'" ],
	name => [ "E'\\xff\\xfe'" ]);
# What may not succeed here.
my $expected = "check_key(bigint)|KP007\ncheck_keys(text)|KP007";

my $start = started();
for ([ 'unicode', 'UTF8', \%HostileCalls::hostile ], [ 'bytes', 'SQL_ASCII', \%bytes ])
{
	my ($database, $encoding, $values) = @$_;
	my $calls = prepare($database, $encoding);
	my $before = contents($database);
	my $count = $calls->run(%$values);
	is($calls->sql('SELECT count(*) FROM driver.outcome'), $count, "$encoding: all $count calls were made");
	is($calls->sql(q{SELECT function, state FROM driver.outcome
			WHERE argument IS NULL AND state <> 'P0099' ORDER BY function::text}), $expected,
		"$encoding: every function can be called as it should be");
	is($calls->outcomes("state LIKE 'XX%' OR state IN ('P0001', '57014')"), '',
		"$encoding: every refusal is an ordinary error, and none takes long");
	is($calls->outcomes(
			"told LIKE '%$HostileCalls::MARK%' AND argument IN ('secret', 'api_key', 'token', 'fernet_key',"
			. " 'sealed', 'password', 'config', 'headers')"), '',
		"$encoding: no error repeats a secret, a document of secrets or headers");
	is(contents($database), $before, "$encoding: the tables are what they were");
}
is(started(), $start, 'the server is the one that was started');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|XX000|internal error/,
	'nothing worse is in its log');
done_testing();
