# A psql that stays connected, for tests about what an old session sees.
#
#   my $session = PsqlSession->new($node, 'postgres');
#   is($session->ask('SELECT 1'), 1, 'it answers');    # errors come with their SQLSTATE
#   $session->close;
package PsqlSession;

use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;

our $PATIENCE = 120;    # seconds for one answer

sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { in => '', out => '', asked => 0 }, $class;
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($database // 'postgres') ],
		'<', \$self->{in}, '&>', \$self->{out},
		$self->{timer} = IPC::Run::timer($PATIENCE));
	$self->ask('\\set VERBOSITY verbose');
	$self->{pid} = $self->ask('SELECT pg_backend_pid()');
	return $self;
}

# Sends SQL or a psql command without waiting for its answer.
sub send
{
	my ($self, $sql) = @_;
	$self->{in} .= "$sql\n;\\echo answered $self->{asked}\n";
	$self->{run}->pump_nb;
	return;
}

# What the oldest statement sent has printed, errors included, once it is done.
sub answer
{
	my ($self) = @_;
	my $mark = "answered $self->{asked}\n";
	$self->{timer}->start($PATIENCE);
	until ($self->{out} =~ /^\Q$mark\E/m)
	{
		die "no answer within $PATIENCE s, but: $self->{out}" if $self->{timer}->is_expired;
		last if !$self->{run}->pumpable;
		$self->{run}->pump;
	}
	$self->{asked}++;
	(my $answer, $self->{out}) = split /^\Q$mark\E/m, $self->{out}, 2;
	$self->{out} //= '';
	$answer =~ s/\n\z//;
	return $answer;
}

sub ask
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->answer;
}

sub pid { return $_[0]->{pid} }

sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	return $self->{run}->finish;
}

1;
