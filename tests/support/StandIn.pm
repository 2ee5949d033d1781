# The stand-in provider for TAP tests and scripts: start it, tell it how to behave, read its record.
#
#   my $provider = StandIn->start;                      # a free port, gone when $provider is
#   $provider->tell(key => 'sk-1', behaviour => 'refuse');
#   ... let the code under test talk to $provider->base_url('openai') ...
#   is($provider->count(provider => 'openai', status => 401), 1);
#
# Core Perl only. Every method dies with a reason when it fails. README.md lists the behaviours.
package StandIn;

use strict;
use warnings;

use Carp qw(croak);
use File::Temp ();
use HTTP::Tiny ();
use IO::Socket::INET ();
use IPC::Open3 qw(open3);
use JSON::PP ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

# What follows the provider's name in its base URL; a provider not listed gets /v1.
my %PATH_OF = (
	azure_openai => '',
	deepseek => '',
	fireworks => '/inference/v1',
	gemini => '/v1beta',
	groq => '/openai/v1',
	openrouter => '/api/v1',
	perplexity => '',
);

my $PATIENCE = 10;    # seconds to wait for the program to start or to end

# Options: program => path (else STAND_IN_PROVIDER of the environment), verbose => 1, port => one that
# is known already (else a free one).
sub start
{
	my ($class, %option) = @_;
	my $program = $option{program} // $ENV{STAND_IN_PROVIDER}
	  // croak 'set STAND_IN_PROVIDER to the stand_in_provider program';
	croak "no program at $program" unless -x $program;

	my $folder = File::Temp->newdir;
	my @command = ($program, '--port', $option{port} // 0, '--port-file', "$folder/port", '--with-parent');
	push @command, '--verbose' if $option{verbose};
	open(my $nothing, '<', '/dev/null') or croak "/dev/null: $!";
	my $pid = open3('<&' . fileno($nothing), '>&STDERR', '>&STDERR', @command);

	my $self = bless { pid => $pid, owner => $$, folder => $folder }, $class;
	$self->{port} = $self->_await_port("$folder/port");
	$self->{http} = HTTP::Tiny->new(timeout => $PATIENCE, max_redirect => 0);
	return $self;
}

sub port { return $_[0]{port} }
sub pid { return $_[0]{pid} }

# http://127.0.0.1:PORT and the path.
sub url
{
	my ($self, $path) = @_;
	return "http://127.0.0.1:$self->{port}" . ($path // '');
}

# What a provider's own base URL becomes, for example http://127.0.0.1:PORT/groq/openai/v1.
sub base_url
{
	my ($self, $provider) = @_;
	return $self->url("/$provider" . ($PATH_OF{$provider} // '/v1'));
}

# key => text, list of texts or '*'; behaviour => name or hash; provider, times as you like.
sub tell
{
	my ($self, %order) = @_;
	return $self->_control('POST', '/control/keys', \%order);
}

# Refuse every key that tell() did not name.
sub refuse_unknown
{
	my ($self) = @_;
	return $self->_control('POST', '/control/keys', { default => 'refuse' });
}

# Back to the start: every key is well.
sub forget { return $_[0]->_control('DELETE', '/control/keys') }

sub record { return $_[0]->_control('GET', '/control/record') }
sub clear_record { return $_[0]->_control('DELETE', '/control/record') }

# Where a receiver of webhooks is found, whose behaviour is told as that key of the provider hooks.
sub hook_url { return $_[0]->url("/hooks/$_[1]") }

# What was posted to receivers, oldest first: hashes of hook, status, at, headers and body; each
# condition (hook, status) narrows.
sub posts
{
	my ($self, %condition) = @_;
	return grep { _fits($_, \%condition) } @{ $self->_control('GET', '/control/hooks')->{posts} };
}
sub clear_posts { return $_[0]->_control('DELETE', '/control/hooks') }

# How many requests were seen; each condition (provider, key hint, method, path, status) narrows.
sub count
{
	my ($self, %condition) = @_;
	return _sum($self->record->{requests}, \%condition);
}

# How often clients did what none should: what => 'key_in_url' and the like, or any at all.
sub violations
{
	my ($self, %condition) = @_;
	return _sum($self->record->{violations}, \%condition);
}

sub is_running
{
	my ($self) = @_;
	return 0 unless defined $self->{pid};
	return 1 if waitpid($self->{pid}, WNOHANG) == 0;
	$self->{exit_status} = $?;
	delete $self->{pid};
	return 0;
}

# Ends it and returns its wait status, 0 when all was well.
sub stop
{
	my ($self) = @_;
	return $self->{exit_status} unless $self->is_running;
	kill 'TERM', $self->{pid};
	my $deadline = time + $PATIENCE;
	while ($self->is_running)
	{
		kill 'KILL', $self->{pid} if time > $deadline;
		sleep 0.01;
	}
	return $self->{exit_status};
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	# A forked child inherits the object but not the process.
	$self->stop if $self->{owner} == $$;
	return;
}

sub _sum
{
	my ($rows, $condition) = @_;
	my $sum = 0;
	for my $row (@$rows)
	{
		$sum += $row->{count} if _fits($row, $condition);
	}
	return $sum;
}

sub _fits
{
	my ($row, $condition) = @_;
	return !grep { ($row->{$_} // '') ne $condition->{$_} } keys %$condition;
}

sub _await_port
{
	my ($self, $file) = @_;
	my $deadline = time + $PATIENCE;
	while (time < $deadline && $self->is_running)
	{
		if (open(my $handle, '<', $file))
		{
			chomp(my $port = <$handle>);
			return $port if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		}
		sleep 0.01;
	}
	croak 'the stand-in provider did not start';
}

sub _control
{
	my ($self, $method, $path, $order) = @_;
	my %content;
	%content = (content => JSON::PP->new->utf8->encode($order)) if defined $order;
	my $response = $self->{http}->request($method, $self->url($path), \%content);
	croak "stand-in: $response->{status} $response->{content}" unless $response->{success};
	return JSON::PP->new->utf8->decode($response->{content});
}

1;
