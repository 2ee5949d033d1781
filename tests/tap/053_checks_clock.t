# The clock checks keys by itself: whoever is refused goes, whoever is accepted again comes back,
# and what nobody wants checked is left in peace.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn;
use Test::More;
use Time::HiRes qw(sleep);

my $provider = StandIn->start;
my $node = KeypoolCluster::start('clock', 'keypool.health_check_interval = 0',
	'keypool.request_timeout = 20s');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
KeypoolCluster::worker($node, 'postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

for my $name (qw(openai groq mistral))
{
	sql("UPDATE keypool.providers SET base_url = '" . $provider->base_url($name)
		  . "' WHERE name = '$name'");
}

sub secret { return "sk-clock-$_[0]-abcdefghijklmnop" }

sub add
{
	my ($name, $more) = @_;
	return sql("SELECT add_key('openai', '" . secret($name) . "', name => '$name'" . ($more // '') . ')');
}

sub becomes
{
	my ($id, $state) = @_;
	return KeypoolCluster::await(sub {
		sql("SELECT state FROM keypool.api_keys_overview WHERE key_id = $id") eq $state });
}

sub asked { my $hint = substr(secret($_[0]), -4); return $provider->count(key => "sk-...$hint") }

sub checked
{
	return sql("SELECT count(*) FROM keypool.key_state WHERE key_id = $_[0]"
		  . ' AND last_checked_at IS NOT NULL');
}

my $good = add('good');
my $bad = add('bad');
my $poor = add('poor');
my $disabled = add('disabled', ', enabled => false');
my $expired = add('expired', ", expires_at => now() + interval '1 s'");
my $idle = add('idle', ", user_id => 'idle'");
my $busy = add('busy', ", user_id => 'busy'");
my $hanging = sql(q{SELECT add_key('groq', 'gsk_abcdefghijkl')});
my $unwatched = sql(q{SELECT add_key('mistral', repeat('a', 32))});
sql(q{UPDATE keypool.providers SET health_check = false WHERE name = 'mistral'});
sql(q{SELECT pick_key('openai', user_id => 'busy')});
$provider->tell(key => secret('bad'), behaviour => 'refuse');
$provider->tell(key => secret('poor'), behaviour => 'quota');
$provider->tell(key => '*', provider => 'groq', behaviour => 'hang');
sleep 1.2;
is($provider->count, 0, 'with an interval of 0 nothing is checked');

$node->append_conf('postgresql.conf', 'keypool.health_check_interval = 1200ms');
$node->reload;
ok(becomes($bad, 'unhealthy'), 'a refused key is found out');
ok(becomes($poor, 'unhealthy'), 'and one without quota');
ok(KeypoolCluster::await(sub { checked($good) && checked($busy) }), 'the others are checked too');
is(checked($_), 0, 'left in peace') for $disabled, $expired, $idle, $unwatched;
is(sql('SELECT keys_watched FROM keypool.worker_status'), 5, 'worker_status counts those watched');

$provider->forget;
$provider->clear_record;
ok(becomes($bad, 'healthy'), 'a key that is accepted again comes back, while another hangs');
is(sql("SELECT state FROM keypool.api_keys_overview WHERE key_id = $poor"), 'unhealthy',
	'one without quota is asked more slowly');
ok(becomes($poor, 'half_open'), 'but is asked');

$node->append_conf('postgresql.conf', 'keypool.health_check_interval = 1h');
$node->reload;
sleep 1;
$provider->clear_record;
$node->restart;
KeypoolCluster::worker($node, 'postgres');
sleep 1.5;
is($provider->count(provider => 'openai'), 0, 'a restart does not check anew what was checked just before');

done_testing();
