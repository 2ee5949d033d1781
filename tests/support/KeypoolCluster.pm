# A throw-away cluster with pg_keypool preloaded, and what tests ask about its workers.
#
#   my $node = KeypoolCluster::start('life');         # a PostgreSQL::Test::Cluster
#   $node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
#   my $pid = KeypoolCluster::worker($node, 'postgres');   # waits until one runs
package KeypoolCluster;

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our $PATIENCE = 60;    # seconds to wait for what must happen; only a failing test waits so long

# A cluster that runs; further lines go to its configuration.
sub start
{
	my ($name, @configuration) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', join("\n",
		q{shared_preload_libraries = 'pg_keypool'}, q{max_worker_processes = 16}, @configuration, ''));
	$node->start;
	return $node;
}

# What a session of its own prints; if it was told an error, that, with its SQLSTATE.
sub ask
{
	my ($node, $sql) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err ne '' ? $err : $out;
}

# What a session of its own prints, undef when that fails: for a server that may be down just now.
# A psql that cannot connect is gone before it has read its script, which IPC::Run dies of.
sub try_sql
{
	my ($node, $sql) = @_;
	my ($out, $err, $status);
	eval { $status = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err) };
	return defined $status && $status == 0 ? $out : undef;
}

# Every database of the cluster that has a worker now, with its process id.
sub workers
{
	my ($node) = @_;
	my $rows = $node->safe_psql('postgres', q{
		SELECT datname, pid FROM pg_stat_activity WHERE backend_type = 'pg_keypool worker'
		AND datname IS NOT NULL});
	return map { split /\|/ } split /\n/, $rows;
}

# Waits until condition() is true and answers what it answered, or '' after $PATIENCE.
sub await
{
	my ($condition) = @_;
	my $deadline = time + $PATIENCE;
	while (time < $deadline)
	{
		my $answer = $condition->();
		return $answer if $answer;
		sleep 0.05;
	}
	return '';
}

# The process id of that database's worker, once it runs; it is another one than $not, if given.
sub worker
{
	my ($node, $database, $not) = @_;
	return await(sub {
		my $row = $node->safe_psql($database,
			q{SELECT pid FROM keypool.worker_status WHERE state = 'running'});
		return $row ne '' && $row ne ($not // '') ? $row : '';
	});
}

# True once that database has no worker.
sub no_worker
{
	my ($node, $database) = @_;
	return await(sub { my %now = workers($node); !exists $now{$database} });
}

# Seconds that code takes.
sub seconds
{
	my ($code) = @_;
	my $start = time;
	$code->();
	return time - $start;
}

1;
