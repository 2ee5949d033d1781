# Looks for secrets in whatever a server leaves behind: texts, files, whole directories.
#
#   my $scanner = SecretScanner->new(openai => 'sk-…', webhook => '…');    # names and secrets
#   $scanner->text('stderr of psql', $stderr);
#   $scanner->tree($node->data_dir, qr/pg_keypool\.root_key$/);            # all but these files
#   is($scanner->report, '', 'nothing leaks');
#
# The report says where and in what form (SecretForms), never the secret itself: it ends in logs of
# tests. One pass looks for all forms of all secrets at once, some 30 MB a second. Where a server
# keeps things is known to SecretPlaces; a scanner that is never shown to find anything proves
# nothing, see tests/tap/091_scanner.t.
package SecretScanner;

use strict;
use warnings;

use File::Find ();
use SecretForms;

my $CHUNK = 8 << 20;    # bytes read at a time
my $TAIL = 4;           # bytes of the end of each needle that are looked for first

sub new
{
	my ($class, %secrets) = @_;
	my $self = bless { needle => {}, found => [], bytes => 0 }, $class;
	for my $name (sort keys %secrets)
	{
		my %needle = SecretForms::needles($secrets{$name});
		for my $bytes (keys %needle)
		{
			my $other = $self->{needle}{$bytes};
			die "half of the secret $name is that of another\n" if $other;
			$self->{needle}{$bytes} = "$name ($needle{$bytes})";
		}
	}
	$self->{longest} = (sort { $b <=> $a } map { length } keys %{ $self->{needle} })[0];
	my %tail;
	push @{ $tail{ substr $_, -$TAIL } }, $_ for sort keys %{ $self->{needle} };
	$self->{tail} = \%tail;
	# Perl's automata have 65,535 states at most, too few for whole needles; without one this would
	# take hours.
	local ${^RE_TRIE_MAXBUF} = 1 << 30;
	my $any = join '|', map { quotemeta } sort keys %tail;
	$self->{any} = qr/$any/;
	return $self;
}

# Answers how many were found.
sub text
{
	my ($self, $place, $text) = @_;
	return 0 unless defined $text;
	utf8::encode($text) if utf8::is_utf8($text);
	return $self->_look($place, $text, 0, 0);
}

# A file that is gone by now holds nothing; one that may not be read is an error.
sub file
{
	my ($self, $path, $place) = @_;
	my $handle;
	unless (open $handle, '<:raw', $path)
	{
		return 0 if $!{ENOENT};
		die "cannot read $path: $!\n";
	}
	my ($kept, $at, $count) = ('', 0, 0);
	while (my $read = sysread $handle, my $chunk, $CHUNK)
	{
		my $text = $kept . $chunk;
		$count += $self->_look($place // $path, $text, $at, length $kept);
		$at += $read;
		my $keep = $self->{longest} - 1;
		$kept = length $text <= $keep ? $text : substr $text, -$keep;
	}
	return $count;
}

# The text's first `seen` bytes, which are those before the offset, have been looked at already.
sub _look
{
	my ($self, $place, $text, $offset, $seen) = @_;
	my $count = 0;
	$self->{bytes} += length($text) - $seen;
	while ($text =~ /$self->{any}/g)
	{
		my ($start, $end) = ($-[0], $+[0]);
		for my $needle (@{ $self->{tail}{ substr $text, $start, $TAIL } })
		{
			my $from = $end - length $needle;
			next if $end <= $seen || $from < 0 || substr($text, $from, length $needle) ne $needle;
			push @{ $self->{found} },
			  { place => $place, offset => $offset - $seen + $from, what => $self->{needle}{$needle} };
			$count++;
		}
		pos($text) = $start + 1;
	}
	return $count;
}

# Every file below the folder but those whose path matches; places are named `name` and the path.
sub tree
{
	my ($self, $folder, $but, $name) = @_;
	my $count = 0;
	my @files;
	File::Find::find({ no_chdir => 1, follow_fast => 1, follow_skip => 2, wanted => sub {
		push @files, $_ if -f $_ && !($but && $_ =~ $but);
	} }, $folder);
	$count += $self->file($_, ($name // '') . s{^\Q$folder\E/}{}r) for @files;
	return $count;
}

sub found { return @{ $_[0]{found} } }
sub bytes { return $_[0]{bytes} }
sub clear { $_[0]{found} = []; $_[0]{bytes} = 0; return }

# One line a place and form with the first offset and how often, at most `most` of them.
sub report
{
	my ($self, $most) = @_;
	my (%first, %count);
	for my $one ($self->found)
	{
		my $line = "$one->{place}: $one->{what}";
		$first{$line} //= $one->{offset};
		$count{$line}++;
	}
	my @lines = map { "$_ at $first{$_}" . ($count{$_} > 1 ? ", $count{$_} times" : '') }
	  sort keys %first;
	my $rest = @lines - ($most // 40);
	splice @lines, $most // 40, @lines, "and $rest more" if $rest > 0;
	return join "\n", @lines;
}

1;
