# Where a server keeps, tells or writes down what it was told: the places to look for a secret.
#
#   SecretPlaces::views($scanner, $node, 'postgres');     # tables, views, statistics, as text
#   SecretPlaces::dumps($scanner, $node);                 # pg_dumpall, pg_dump -Fc, pg_basebackup
#   SecretPlaces::changes($scanner, $node, 'postgres', 'slot');    # what a subscriber would be sent
#   SecretPlaces::posts($scanner, $stand_in);             # what webhooks received
#   SecretPlaces::files($scanner, $node);                 # data directory, WAL, logs
#
# Everything is read as a superuser would who looks: `views` opens every table and view of the
# catalogue and of the schemas named. The root key's own file is no such place. Values that were
# compressed on their way into a page are found as text, in views and dumps, not in the page.
package SecretPlaces;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

my $ROOT_KEYS = qr{pg_keypool\.root_key[^/]*$};

# A relation that does not open makes an error, which is looked at too.
sub views
{
	my ($scanner, $node, $database, @schemas) = @_;
	my $schemas = join ', ', map { "'$_'" } 'pg_catalog', 'keypool', 'public', @schemas;
	my $relations = $node->safe_psql($database, qq{
		SELECT format('COPY (SELECT t::text FROM %I.%I t) TO STDOUT', n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ($schemas) AND c.relkind IN ('r', 'v', 'm', 'f')
		ORDER BY 1});
	my $script = join "\n",
	  map { my ($name) = /FROM (\S+) t/; "\\qecho $name\n$_;" } split /\n/, $relations;
	my ($out, $err);
	$node->psql($database, $script, stdout => \$out, stderr => \$err, on_error_stop => 0);
	# Told by relation.
	my $relation = $database;
	my %text;
	for my $line (split /^/, $out)
	{
		$line =~ /^([a-z_]+\.\S+)$/ ? $relation = "$database: $1" : ($text{$relation} .= $line);
	}
	$scanner->text($_, $text{$_}) for sort keys %text;
	$scanner->text("$database: errors of reading relations", $err);
	return scalar keys %text;
}

# A slot made with the plugin test_decoding; the changes stay in it.
sub changes
{
	my ($scanner, $node, $database, $slot) = @_;
	my $query = "SELECT data FROM pg_logical_slot_peek_changes('$slot', NULL, NULL)";
	return $scanner->text("changes of slot $slot", $node->safe_psql($database, $query));
}

sub posts
{
	my ($scanner, $stand_in) = @_;
	my @posts = $stand_in->posts;
	for my $post (@posts)
	{
		$scanner->text("post to $post->{hook}", join "\n", $post->{body},
			map { "$_: $post->{headers}{$_}" } sort keys %{ $post->{headers} });
	}
	return scalar @posts;
}

sub dumps
{
	my ($scanner, $node, @databases) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	$node->command_ok([ 'pg_dumpall', '-f', "$folder/dumpall.sql", '-d', $node->connstr('postgres') ],
		'pg_dumpall');
	my @files = ('dumpall.sql');
	for my $database (@databases)
	{
		# Not compressed: the scanner could not see through that.
		$node->command_ok([ 'pg_dump', '-Fc', '-Z0', '--inserts', '-f', "$folder/$database.dump",
			'-d', $node->connstr($database) ], "pg_dump of $database");
		push @files, "$database.dump";
	}
	$scanner->file("$folder/$_", $_) for @files;
	$node->command_ok([ 'pg_basebackup', '-D', "$folder/backup", '-X', 'stream', '-c', 'fast',
		'-d', $node->connstr('postgres') ], 'pg_basebackup');
	# Its logs are copies of those that files() looks through.
	$scanner->tree("$folder/backup", qr{/log/|$ROOT_KEYS}, 'backup: ');
	return;
}

# The data directory, with WAL, temporary and statistics files, and the logs in it and beside it.
sub files
{
	my ($scanner, $node) = @_;
	$scanner->tree($node->data_dir, $ROOT_KEYS);
	$scanner->file($node->logfile, 'log of the postmaster');
	return;
}

1;
