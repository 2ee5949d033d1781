# Secrets for tests that look for them: random ones of each provider's format, remembered by name.
#
#   my $secrets = MadeUpSecrets->new(5);                     # a seed, so that runs are alike
#   my $sql = $secrets->fill(q{SELECT add_key('openai', '<<openai one>>')}, 'again');
#   my %all = $secrets->all;                                 # 'openai one, again' => 'sk-proj-…'
#
# The first word of a name is the format. The same name is the same secret, wherever it stands.
package MadeUpSecrets;

use strict;
use warnings;

my @letters = ('a' .. 'z', 'A' .. 'Z', 0 .. 9);
my @digits = (0 .. 9, 'a' .. 'f');
my %format = (
	openai => [ 'sk-proj-', 40, @letters ],
	anthropic => [ 'sk-ant-api03-', 40, @letters ],
	gemini => [ 'AIza', 35, @letters ],
	groq => [ 'gsk_', 40, @letters ],
	together => [ '', 64, @digits ],
	huggingface => [ 'hf_', 34, @letters ],
	mistral => [ '', 32, @letters ],
	cohere => [ '', 40, @letters ],
	deepseek => [ 'sk-', 32, @digits ],
	openrouter => [ 'sk-or-v1-', 64, @digits ],
	xai => [ 'xai-', 60, @letters ],
	fireworks => [ 'fw_', 24, @letters ],
	cerebras => [ 'csk-', 40, @letters ],
	perplexity => [ 'pplx-', 40, @letters ],
	azure => [ '', 84, @letters ],
	none => [ 'hush.', 26, 'a' .. 'z' ],
);

sub new
{
	my ($class, $seed) = @_;
	srand $seed;
	return bless { secret => {} }, $class;
}

sub secret
{
	my ($self, $name) = @_;
	my ($format) = $name =~ /^(\w+)/;
	my ($prefix, $count, @from) = @{ $format{ $format // '' } // die "no format in '$name'\n" };
	return $self->{secret}{$name} //= $prefix . join '', map { $from[ rand @from ] } 1 .. $count;
}

# `more` is added to the names, when the same text is used again with other secrets.
sub fill
{
	my ($self, $text, $more) = @_;
	$more = defined $more ? ", $more" : '';
	return $text =~ s/<<([^<>]+)>>/$self->secret("$1$more")/ger;
}

# One that was made elsewhere.
sub know { my ($self, $name, $secret) = @_; return $self->{secret}{$name} = $secret }

sub all { return %{ $_[0]{secret} } }

1;
