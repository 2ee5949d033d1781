# On a hot standby the views, and what budgets have spent, are as exact as on the primary, about the
# moment that it has replayed; promoted, its worker goes on folding where the other one stopped.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use BudgetTruth;
use Exactness;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RandomRequests;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{KEYPOOL_EXACTNESS_SECONDS} // 4;
my $seed = $ENV{KEYPOOL_EXACTNESS_SEED} // time ^ $$;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_keypool'
	keypool.health_check_interval = 0\n");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
Exactness::install($primary);
BudgetTruth::install($primary, 'postgres');
$primary->safe_psql('postgres', q{
	INSERT INTO keypool.budgets (scope, scope_id, period, rolling_window, time_zone, limit_usd)
	VALUES ('global', NULL, 'day', NULL, 'Asia/Kolkata', 1), ('user', '*', 'total', NULL, 'UTC', 1),
		('model', '*', 'rolling', '24 hours', 'UTC', 1)});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# The test's way of copying a backup, unlike pg_basebackup, forgets modes.
chmod 0600, $standby->data_dir . '/pg_keypool.root_key' or die $!;
# Or a VACUUM of the writers, replayed while one of their TRUNCATEs holds its lock there, waits for a
# query of ours that waits for that lock, until the server cancels the query.
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on
	wal_receiver_status_interval = 1s\n");
$standby->start;

my $writers = RandomRequests->new($primary, $seed, 3);
my $start = time;
my %seen = (checks => 0, rows => 0, tails => 0);
my $differences = '';
while ($differences eq '' && (time < $start + $seconds || $seen{checks} < 5))
{
	$writers->keep_busy;
	$differences = Exactness::differences($standby) . BudgetTruth::differences($standby, 'postgres');
	$seen{checks}++;
	$seen{rows} += $standby->safe_psql('postgres', 'SELECT count(*) > 0 FROM keypool.tracking_rollup') eq 't';
	$seen{tails} += $standby->safe_psql('postgres', 'SELECT count(*) > 0 FROM keypool.unfolded_requests()') eq 't';
	sleep 0.1;
}
is($differences, '', "no difference at any moment (seed $seed)");
note join ', ', map { "$seen{$_} $_" } sort keys %seen;
cmp_ok($seen{$_}, '>', 0, "with $_") for qw(rows tails);
like(KeypoolCluster::ask($standby, 'SELECT keypool.fold_requests()'), qr/25006/, 'nobody folds there');

ok($writers->stop, 'all writers are gone');
$primary->safe_psql('postgres', 'ALTER SYSTEM SET keypool.worker = off');
$primary->reload;
KeypoolCluster::no_worker($primary, 'postgres') or die 'the worker stays';
$primary->safe_psql('postgres',
	q{INSERT INTO keypool.chat_completion_requests (provider) VALUES ('last')});
$primary->wait_for_catchup($standby, 'replay');
$primary->stop('fast');
$standby->promote;
ok(KeypoolCluster::await(sub { $standby->safe_psql('postgres',
	'SELECT count(*) FROM keypool.unfolded_requests()') eq '0' }), 'the promoted one folds the rest');
is(Exactness::differences($standby), '', 'and is exact');
is(BudgetTruth::differences($standby, 'postgres'), '', 'of budgets, too');

$standby->stop('fast');
done_testing();
