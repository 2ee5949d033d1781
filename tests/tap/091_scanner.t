# The scanner that proves that nothing leaks (095_nothing_leaks.t) finds what was planted: in every
# form that it claims to know, and in every place where a server keeps or tells something.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::RealBin/../support";
use HTTP::Tiny ();
use KeypoolCluster;
use MIME::Base64 qw(encode_base64 encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use SecretPlaces;
use SecretScanner;
use StandIn;
use Test::More;

# A secret with characters that are quoted, and whose base64 differs between the alphabets.
my $SECRET = q{sk-planted-'a"b\\c>>>???~~~/+=&%-0123456789abcdef};
my $FIRST = substr $SECRET, 0, length($SECRET) / 2;
my $scanner = SecretScanner->new(planted => $SECRET);

# What the scanner says of a text, without place and offset.
sub said
{
	my ($text) = @_;
	$scanner->clear;
	$scanner->text('text', $text);
	return $scanner->report;
}

subtest 'forms' => sub {
	my %form = (
		plain => $SECRET,
		'half of it' => $FIRST,
		'the other half' => substr($SECRET, length $FIRST),
		reversed => scalar reverse($SECRET),
		'a name, folded' => lc $SECRET,
		hex => unpack('H*', $SECRET),
		'upper case hex' => uc unpack('H*', $SECRET),
		'a constant in a parse tree' => join(' ', map { ord } split //, $SECRET),
		'a wide string' => join('', map { "$_\0" } split //, $SECRET),
		'every byte in a URL' => join('', map { sprintf '%%%02x', ord } split //, $SECRET),
		'a parameter of a URL' => $SECRET =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger,
		'a literal of SQL' => $SECRET =~ s/'/''/gr,
		'a field of CSV' => $SECRET =~ s/"/""/gr,
		'a value of JSON' => $SECRET =~ s/(["\\])/\\$1/gr,
		'half of it in hex' => unpack('H*', $FIRST),
	);
	for my $before ('', 'x', 'xx', 'xxx', 'user:pass')
	{
		$form{"base64 behind '$before'"} = encode_base64("$before$SECRET and more", '');
		$form{"URL-safe base64 behind '$before'"} = encode_base64url("$before$SECRET");
	}
	like(said("before $form{$_} behind"), qr/^text: planted \((first|second) half, /, $_)
	  for sort keys %form;
	like(said(sha256_hex($SECRET)), qr/SHA-256/, 'an unkeyed digest');
	is(said('sk-planted-[redacted], sk-planted-...cdef'), '', 'but not what is left of it when masked');
	unlike(said("before $SECRET behind"), qr/0123456789|\Q'a"b/, 'the report does not tell it');
	like(said("before $SECRET behind"), qr/at 7$/m, 'but where it is');
	is(eval { SecretScanner->new(short => 'sk-short'); 1 }, undef, 'a short secret is refused');
	is(eval { SecretScanner->new(one => $SECRET, two => "$SECRET."); 1 }, undef,
		'as are two that have a half in common');
};

subtest 'big files' => sub {
	my $file = PostgreSQL::Test::Utils::tempdir . '/big';
	for my $at (0, 8 << 20, (8 << 20) - 1, (8 << 20) - length($FIRST), (16 << 20) - 5)
	{
		append_to_file($file, "\0" x $at . $FIRST . "\0" x 100);
		$scanner->clear;
		$scanner->file($file, 'big');
		is($scanner->report, "big: planted (first half, plain) at $at", "at byte $at, and once");
		unlink $file;
	}
};

# In each place something of its own is planted; then everything is looked through once.
my @places = qw(table undone log error sort notice setting statement activity prepared often provider
	hook signature);
my %plant = map { $_ => "sk-plant-$_-" . join '', map { ('a' .. 'z')[rand 26] } 1 .. 40 } @places;
my $all = SecretScanner->new(%plant);

my $receiver = StandIn->start;
my $node = KeypoolCluster::start('planted', 'wal_level = logical', 'max_wal_senders = 4',
	q{log_destination = 'stderr,csvlog,jsonlog'}, 'logging_collector = on', 'log_statement = none',
	q{shared_preload_libraries = 'pg_stat_statements, pg_keypool'}, 'autovacuum = off',
	'max_prepared_transactions = 2', 'keypool.redact = off');
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql('CREATE EXTENSION pg_keypool; CREATE EXTENSION pg_stat_statements');
sql(q{SELECT pg_create_logical_replication_slot('plants', 'test_decoding')});

sql("CREATE TABLE plants (what text); INSERT INTO plants VALUES ('$plant{table}')");
sql("BEGIN; INSERT INTO plants VALUES ('$plant{undone}'); ROLLBACK");
sql("INSERT INTO plants SELECT '$plant{often}' FROM generate_series(1, 50); ANALYZE plants");
sql("UPDATE keypool.providers SET display_name = '$plant{provider}' WHERE name = 'xai'");
sql("ALTER DATABASE postgres SET plants.what = '$plant{setting}'");
sql("DO \$\$ BEGIN RAISE LOG '%', '$plant{log}'; END \$\$");
sql("SET plants.off = 1; DO \$\$ BEGIN PERFORM '$plant{statement}'; END \$\$");
$node->psql('postgres', "SELECT 1 / 0 AS \"$plant{error}\"");
HTTP::Tiny->new->post($receiver->hook_url('plants'), { content => "{\"text\": \"$plant{hook}\"}",
	headers => { 'x-signature' => $plant{signature} } });

# What is there only as long as its session.
my ($sorting, $listening, $active) = map { PsqlSession->new($node) } 1 .. 3;
$sorting->ask("SET work_mem = '64kB'; BEGIN; DECLARE c CURSOR FOR
	SELECT '$plant{sort}' || g FROM generate_series(1, 20000) g ORDER BY random(); FETCH c");
$listening->ask('LISTEN plants');
sql("SELECT pg_notify('plants', '$plant{notice}')");
$active->ask("SELECT '$plant{activity}'");
sql("BEGIN; INSERT INTO plants VALUES (''); PREPARE TRANSACTION '$plant{prepared}'; CHECKPOINT");

SecretPlaces::files($all, $node);
SecretPlaces::views($all, $node, 'postgres');
SecretPlaces::changes($all, $node, 'postgres', 'plants');
SecretPlaces::posts($all, $receiver);
$all->text('listener', $listening->ask('SELECT 1'));
$_->close for $sorting, $listening, $active;
$node->safe_psql('postgres', "ROLLBACK PREPARED '$plant{prepared}'");
SecretPlaces::dumps($all, $node, 'postgres');

# Each as "place: plant".
my @found = map { /^(.*?: \w+) \(first half, plain\)/ } split /\n/, $all->report(1000);
my @expected = (
	[ 'a row in the heap', table => qr{^base/} ],
	[ 'one that was rolled back', undone => qr{^base/} ],
	[ 'WAL', table => qr{^pg_wal/} ],
	[ 'a sort that does not fit into memory', sort => qr{^base/pgsql_tmp/} ],
	[ 'a setting of the database', setting => qr{^global/} ],
	[ 'the state of a prepared transaction', prepared => qr{^pg_twophase/} ],
	[ 'texts of statements, on disk', statement => qr{pgss_query_texts} ],
	(map { [ "a line of the log, $_", log => qr{^log/.*\.$_:} ] } qw(log csv json)),
	[ 'a statement that failed', error => qr{^log/.*\.log:} ],
	[ 'a statement that was run', statement => qr{public\.pg_stat_statements:} ],
	[ 'one that is running', activity => qr{pg_catalog\.pg_stat_activity:} ],
	[ 'the most common value of a column', often => qr{pg_catalog\.pg_stats:} ],
	[ 'a table', table => qr{public\.plants:} ],
	[ 'a table of the extension', provider => qr{keypool\.providers:} ],
	[ 'a notification', notice => qr{^listener:} ],
	[ 'a dump of the cluster', table => qr{^dumpall\.sql:} ],
	[ 'a dump of the database', setting => qr{^postgres\.dump:} ],
	[ 'a base backup', undone => qr{^backup: base/} ],
	[ 'what a subscriber is sent', table => qr{^changes of slot plants:} ],
	[ 'the body of a webhook', hook => qr{^post to plants:} ],
	[ 'its headers', signature => qr{^post to plants:} ],
);
for (@expected)
{
	my ($name, $plant, $where) = @$_;
	ok((grep { /$where.* $plant$/ } @found), $name) or diag join "\n", @found;
}

done_testing();
