# Sessions that write to the request log at random: rows of every kind, changes, savepoints,
# rollbacks, transactions that stay open, folds by hand.
#
#   my $writers = RandomRequests->new($node, $seed, 4);
#   while (time < $deadline) { $writers->keep_busy; ... }     # starts anew whoever ended
#   $writers->stop;
package RandomRequests;

use strict;
use warnings;

use IPC::Run ();
use KeypoolCluster;
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $node, $seed, $count) = @_;
	srand($seed);
	return bless { node => $node, count => $count, running => [], scripts => 0 }, $class;
}

sub one_of { return $_[ rand @_ ] }
sub chance { my ($share) = @_; return rand() < $share }
sub text { my ($value) = @_; return defined $value ? "'$value'" : 'NULL' }

# Column names and random values of one row, as SQL.
my $columns = 'created_at, provider, model, user_id, organization_id, api_key_id, key_source,'
  . ' is_anonymous, input_tokens, output_tokens, cached_tokens, cost_usd, processing_time_ms,'
  . ' status, http_status, error_type';

sub row
{
	my $anonymous = chance(0.2);
	my $user = $anonymous || chance(0.3) ? undef : 'u' . int rand 4;
	my $key = $anonymous || chance(0.4) ? undef : 1 + int rand 3;
	my $day = one_of(-30, -29, -1, 0, 0, 0, 1, 2);    # some have no partition of their own yet
	return (
		text(strftime('%Y-%m-%d %H:%M+00', gmtime(time + 86400 * $day + 3600 * rand 24))),
		text(one_of('openai', 'anthropic', undef)),
		text(one_of('gpt-4o', 'claude', '', undef)),
		text($user),
		text(one_of('acme', undef)),
		$key // 'NULL',
		text(defined $key ? one_of('user', 'system') : $anonymous ? 'anonymous' : undef),
		$anonymous ? 'true' : 'false',
		int rand 1000, int rand 500, int rand 100,
		chance(0.2) ? 'NULL' : sprintf('%.9f', rand one_of(0.001, 1, 20000)),
		chance(0.3) ? 'NULL' : int rand 5000,
		text(one_of('completed', 'completed', 'failed')),
		one_of('NULL', 200, 429, 503),
		text(one_of(undef, undef, 'timeout')));
}

sub insert
{
	my $rows = join ', ', map { '(' . join(', ', row()) . ')' } 1 .. one_of(1, 1, 3, 20);
	return "INSERT INTO keypool.chat_completion_requests ($columns) VALUES $rows;";
}

# With a foreign transaction's number in half of the cases: nobody may believe it.
sub copy
{
	my $given = chance(0.5);
	my $lines = join '', map {
		join("\t", map { $_ eq 'NULL' ? '\N' : s/^'|'$//gr } row()) . ($given ? "\t" . int rand 3000 : '')
		  . "\n"
	} 1 .. one_of(2, 30);
	return "COPY keypool.chat_completion_requests ($columns" . ($given ? ', xid' : '')
	  . ") FROM stdin;\n$lines\\.\n";
}

sub some_rows { my ($most) = @_; return sprintf 'id %% %d = %d', $most, rand $most }

my @changes = (
	'created_at = created_at + interval \'1 day\'',     # to another partition
	'created_at = created_at - interval \'7 minutes\'',
	'api_key_id = 2, lookup_status = \'found\'',
	'output_tokens = output_tokens + 1, cost_usd = 0.000000001',
	'error_type = NULL, status = \'completed\', http_status = 200',
	'processing_time_ms = NULL, cost_usd = NULL',
	'user_id = \'u9\'',
	'metadata = \'{}\'');

sub change
{
	return sprintf 'UPDATE keypool.chat_completion_requests SET %s WHERE NOT is_anonymous AND %s;',
	  one_of(@changes), some_rows(one_of(20, 150));
}

sub delete_some { return 'DELETE FROM keypool.chat_completion_requests WHERE ' . some_rows(200) . ';' }

sub statement
{
	my $kind = rand;
	return $kind < 0.45 ? insert() : $kind < 0.6 ? copy() : $kind < 0.82 ? change() : delete_some();
}

sub transaction
{
	my $sql = 'BEGIN' . (chance(0.15) ? ' ISOLATION LEVEL REPEATABLE READ' : '') . ";\n";
	for (1 .. one_of(1, 1, 2, 5))
	{
		my $inner = statement() . "\n";
		$inner = "SAVEPOINT s;\n$inner" . one_of('ROLLBACK TO s', 'RELEASE s') . ";\n" if chance(0.3);
		$sql .= $inner;
		$sql .= sprintf "SELECT pg_sleep(%.3f);\n", chance(0.1) ? 2 * rand : 0.05 * rand if chance(0.2);
	}
	return $sql . (chance(0.85) ? 'COMMIT' : 'ROLLBACK') . ";\n";
}

sub rare
{
	return one_of(('SELECT keypool.fold_requests();') x 12, ('SELECT keypool.fold_requests(20);') x 8,
		('VACUUM keypool.request_changes;') x 2, 'SELECT keypool.rebuild_rollups();',
		'TRUNCATE keypool.chat_completion_requests;') . "\n";
}

# A few dozen transactions for one session.
sub script { return join '', map { chance(0.12) ? rare() : chance(0.2) ? statement() . "\n" : transaction() } 1 .. 40 }

# Keeps all sessions running. One that was thrown out, or has done its work, gets more.
sub keep_busy
{
	my ($self) = @_;
	my ($busy, $done) = ([], []);
	push @{ $_->pumpable ? $busy : $done }, $_ for @{ $self->{running} };
	eval { $_->finish } for @$done;
	$self->{running} = $busy;
	while (@{ $self->{running} } < $self->{count})
	{
		my $file = $self->{node}->basedir . '/writer_' . $self->{scripts}++ . '.sql';
		append_to_file($file, script());
		push @{ $self->{running} }, IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $self->{node}->connstr('postgres') ],
			'<', $file, '>', '/dev/null', '2>', '/dev/null');
	}
	return;
}

# Breaks off what they are doing.
sub stop
{
	my ($self) = @_;
	$_->kill_kill for @{ $self->{running} };
	$self->{running} = [];
	return KeypoolCluster::await(sub { $self->{node}->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'}) eq '1' });
}

1;
