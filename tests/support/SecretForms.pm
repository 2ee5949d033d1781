# The shapes in which a secret may lie about, as byte strings to look for.
#
#   my %needle = SecretForms::needles($secret);    # bytes => 'first half, base64' and the like
#
# A secret is looked for by its two halves, each in every form: whatever holds the whole holds them
# too, and what holds only one of them has leaked enough. It dies of a secret whose halves are so
# short that they might occur by chance. Digests are of the whole: an unkeyed one lets anybody who
# sees it test a guess. Not covered: a secret that is cut by line ends, compressed or encrypted.
package SecretForms;

use strict;
use warnings;

use Digest::MD5 qw(md5);
use Digest::SHA qw(sha1 sha256);
use MIME::Base64 qw(encode_base64);

my $SHORTEST = 10;    # bytes of a half

# The characters of a base64 text that depend on these bytes alone, when so many others come before.
sub aligned_base64
{
	my ($bytes, $before) = @_;
	my $first = int((8 * $before + 5) / 6);
	my $end = int(8 * ($before + length $bytes) / 6);
	return substr(encode_base64("\0" x $before . $bytes, ''), $first, $end - $first);
}

sub base64_forms
{
	my ($bytes) = @_;
	my %form;
	for my $before (0 .. 2)
	{
		my $plain = aligned_base64($bytes, $before);
		$form{"base64, $before bytes in"} = $plain;
		$form{"URL-safe base64, $before bytes in"} = $plain =~ tr{+/}{-_}r;
	}
	return %form;
}

sub url_forms
{
	my ($bytes) = @_;
	my $every = join '', map { sprintf '%%%02X', ord } split //, $bytes;
	my $some = $bytes =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger;
	my $few = $bytes =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger;
	return (
		'every byte URL-encoded' => $every,
		'every byte URL-encoded, lower case' => lc $every,
		'URL-encoded' => $some,
		'URL-encoded, lower case' => $some =~ s/(%..)/lc $1/ger,
		'URL-encoded but for - _ . ~' => $few);
}

# As it is quoted in SQL, CSV, JSON and C. Most keys need no quoting, and look the same.
sub quoted_forms
{
	my ($bytes) = @_;
	return (
		'quoted for SQL' => $bytes =~ s/'/''/gr,
		'quoted for CSV' => $bytes =~ s/"/""/gr,
		'quoted for JSON' => $bytes =~ s/(["\\])/\\$1/gr,
		'quoted for C' => $bytes =~ s/(['"\\])/\\$1/gr);
}

sub forms
{
	my ($bytes) = @_;
	return (
		plain => $bytes,
		# Names without quotes are folded.
		'in lower case' => lc $bytes,
		'in upper case' => uc $bytes,
		reversed => scalar reverse($bytes),
		hex => unpack('H*', $bytes),
		'upper case hex' => uc unpack('H*', $bytes),
		# The way debug_print_parse writes a constant.
		'byte list' => join(' ', map { ord } split //, $bytes),
		# Little and big endian have this much in common.
		'UTF-16' => join("\0", split //, $bytes),
		quoted_forms($bytes), url_forms($bytes), base64_forms($bytes));
}

sub digests
{
	my ($secret) = @_;
	my %digest = (MD5 => md5($secret), 'SHA-1' => sha1($secret), 'SHA-256' => sha256($secret));
	return map { ($digest{$_} => $_, unpack('H*', $digest{$_}) => "$_, hex") } keys %digest;
}

# Forms that look the same are named by the first of them in order of their names, plain before all.
sub needles
{
	my ($secret) = @_;
	my $middle = int(length($secret) / 2);
	die "a secret of " . length($secret) . " bytes is too short to look for its halves\n"
	  if $middle < $SHORTEST;
	my %needle = digests($secret);
	my %half = ('first half' => substr($secret, 0, $middle),
		'second half' => substr($secret, $middle));
	for my $half (sort keys %half)
	{
		my %form = forms($half{$half});
		for my $name ('plain', sort keys %form)
		{
			$needle{ $form{$name} } //= "$half, $name";
		}
	}
	return %needle;
}

1;
