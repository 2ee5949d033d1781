# Alerts reach webhooks: signed, once, in order, past failures and crashes, and without their secret
# being seen anywhere.
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use FindBin;
use lib "$FindBin::RealBin/../support";
use JSON::PP ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn;
use Test::More;
use Time::HiRes qw(sleep time);

my $receiver = StandIn->start;
my $node = KeypoolCluster::start('webhooks', q{keypool.health_check_interval = 0},
	q{keypool.request_timeout = '2s'}, q{log_statement = none},
	q{log_min_error_statement = debug5}, q{restart_after_crash = on});
sub sql { return $node->safe_psql('postgres', $_[0]) }

# Secrets are told apart by their ends; the middle is looked for at the end of the test.
my $MARK = 'zzhookzzsecretzz';
my %secret = map { $_ => "$_-$MARK-$_" } qw(ops money slow dead gone old tries);

sub add_webhook
{
	my ($name, $more) = @_;
	return sql("SELECT add_webhook('" . $receiver->hook_url($name) . "', '$secret{$name}'"
		  . ($more // '') . ')');
}

# Raises the alert of a key, or ends it, and waits until that is written down.
my $rotations = 0;
sub is_told
{
	my ($key, $open) = @_;
	return KeypoolCluster::await(sub { sql("SELECT count(*) FROM keypool.alerts
		WHERE subject = 'key:$key' AND cleared_at IS NULL") eq $open });
}
sub break_key
{
	my ($key) = @_;
	sql("SELECT mark_key_error($key, 'invalid_api_key', 401)");
	return is_told($key, 1);
}
sub mend_key
{
	my ($key) = @_;
	$rotations++;
	sql("SELECT rotate_key($key, 'sk-rotated-$key-$rotations-' || repeat('r', 30))");
	return is_told($key, 0);
}

# Waits until so many posts came to a hook, and a moment for one too many; answers what came.
sub posts
{
	my ($hook, $count) = @_;
	KeypoolCluster::await(sub { $receiver->posts(hook => $hook) >= $count });
	sleep 0.5;
	return $receiver->posts(hook => $hook);
}
sub settled
{
	my ($hook) = @_;
	KeypoolCluster::await(sub { sql("SELECT bool_and(waiting = 0) FROM keypool.webhook_status
		WHERE webhook_id = $hook") eq 't' });
	return sql("SELECT delivered, given_up FROM keypool.webhook_status WHERE webhook_id = $hook");
}
# The stand-in tells characters; bytes are what is signed, and what psql prints.
sub body { my $bytes = $_[0]{body}; utf8::encode($bytes); return $bytes }
sub told { return JSON::PP->new->decode($_[0]{body}) }
sub signature
{
	my ($post, $secret) = @_;
	return 'sha256=' . hmac_sha256_hex("$post->{headers}{'x-keypool-timestamp'}." . body($post), $secret);
}
sub events { return join ', ', map { "$_->{headers}{'x-keypool-event'} $_->{status}" } @_ }
sub deliveries { my %ids = map { $_->{headers}{'x-keypool-delivery'} => 1 } @_; return scalar keys %ids }

sql('CREATE EXTENSION pg_keypool');
sql("SELECT add_key('openai', 'sk-webhook-key-$_-' || repeat('a', 30))") for 1 .. 6;
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');

# What a receiver gets.
my $ops = add_webhook('ops');
my $money = add_webhook('money', q{, ARRAY['budget_warning', 'budget_spent']});
sql("INSERT INTO keypool.alert_webhooks (url, secret, enabled)
	VALUES ('" . $receiver->hook_url('off') . "', '$secret{old}', false)");
break_key(1);
my ($post, @others) = posts('ops', 1);
is(scalar(@others), 0, 'an alert is posted once');
my $headers = $post->{headers};
is($headers->{'x-keypool-signature'}, signature($post, $secret{ops}),
	'and signed with the secret, its time included');
cmp_ok(abs($headers->{'x-keypool-timestamp'} - time), '<', 60, 'which is now');
is($headers->{'content-type'}, 'application/json', 'as JSON');
my $told = told($post);
is(join(' ', $told->{event}, $told->{alert}{kind}, $told->{alert}{severity}, $told->{alert}{subject},
		$told->{alert}{provider}, $told->{alert}{key_id}, $told->{database}),
	'raised key_unhealthy critical key:1 openai 1 postgres', 'that says what happened, and where');
like(body($post), qr/"message" : "\Q@{[ sql('SELECT message FROM keypool.alerts') ]}\E"/,
	'in the words of the alert');
is($told->{alert}{details}{http_status}, 401, 'with its figures');
is($told->{delivery}, $headers->{'x-keypool-delivery'}, 'and its number');
is($told->{alert}{cleared_at}, undef, 'it lasts');
mend_key(1);
my @both = posts('ops', 2);
is(events(@both), 'raised 200, cleared 200', 'its end is posted too');
isnt(told($both[1])->{alert}{cleared_at}, undef, 'with its time');
is(deliveries(@both), 2, 'as a delivery of its own');
is(scalar($receiver->posts(hook => 'off')), 0, 'a webhook that is disabled hears nothing');
is(scalar($receiver->posts(hook => 'money')), 0, 'nor does one that wants other kinds');

# Failures.
$receiver->clear_posts;
$receiver->tell(provider => 'hooks', key => 'ops', behaviour => 'error', times => 2);
break_key(2);
mend_key(2);
my @posts = posts('ops', 4);
is(events(@posts), 'raised 500, raised 500, raised 200, cleared 200',
	'what fails is tried again, and the end waits for its beginning');
is(deliveries(@posts[0 .. 2]), 1, 'under the same number');
my $first = $posts[1]{at} - $posts[0]{at};
my $second = $posts[2]{at} - $posts[1]{at};
cmp_ok($first, '>', 0.9, 'after a second');
cmp_ok($second, '>', 1.9, 'and then two');
is(settled($ops), '4|0', 'in the end all is delivered');
is(sql("SELECT string_agg(attempts::text, ' ' ORDER BY alert_id, event DESC)
	FROM keypool.webhook_deliveries WHERE webhook_id = $ops"), '1 1 3 1', 'and counted');

$receiver->tell(provider => 'hooks', key => 'ops',
	behaviour => { kind => 'redirect', status => 307 }, times => 1);
break_key(2);
is(events(posts('ops', 6)), events(@posts) . ', raised 307, raised 200',
	'a redirect is not followed, and tried again');
is($receiver->record->{redirect_target}{hits}, 0, 'so that nobody else reads the post');

# A receiver that never answers.
my $dead = add_webhook('dead');
$receiver->tell(provider => 'hooks', key => 'dead', behaviour => 'hang');
$receiver->clear_posts;
break_key($_) for 3 .. 6;
KeypoolCluster::await(sub { $receiver->posts(hook => 'ops') == 4 });
cmp_ok(sql("SELECT max(extract(epoch FROM delivered_at - created_at))
	FROM keypool.webhook_deliveries WHERE webhook_id = $ops AND alert_id IN (
		SELECT id FROM keypool.alerts WHERE subject IN ('key:3', 'key:4', 'key:5', 'key:6'))"),
	'<', 1, 'does not delay the others');
cmp_ok(scalar($receiver->posts(hook => 'dead')), '<=', 4, 'and is asked one thing at a time');

# Given up, and said so.
$node->append_conf('postgresql.conf', 'keypool.webhook_attempts = 2');
sql('SELECT pg_reload_conf()');
is(settled($dead), '0|4', 'what fails too often is given up');
is(sql("SELECT last_error, last_status FROM keypool.webhook_status WHERE webhook_id = $dead"),
	'timeout|', 'with the reason');
like(slurp_file($node->logfile), qr/gave up posting alert \d+ to webhook $dead/, 'which the log says');
sql("DELETE FROM keypool.alert_webhooks WHERE id = $dead");

# Gone for good.
my $gone = add_webhook('gone');
$receiver->tell(provider => 'hooks', key => 'gone', behaviour => { kind => 'error', status => 410 });
mend_key(3);
is(settled($gone), '0|' . sql("SELECT count(*) FROM keypool.webhook_deliveries
	WHERE webhook_id = $gone"), 'a receiver that is gone gets no second attempt');
is(sql("SELECT enabled FROM keypool.alert_webhooks WHERE id = $gone"), 'f', 'and is disabled');
mend_key($_) for 4 .. 6;
settled($ops);

# Down, and up again.
$node->append_conf('postgresql.conf', 'keypool.webhook_attempts = 8');
sql('SELECT pg_reload_conf()');
my $port = $receiver->port;
settled($ops);
$receiver->stop;
break_key(3);
ok(KeypoolCluster::await(sub {
	sql("SELECT count(*) FROM keypool.webhook_deliveries WHERE webhook_id = $ops
		AND attempts > 1 AND next_attempt_at IS NOT NULL") > 0
}), 'a receiver that is down is tried again');
is(sql("SELECT last_error FROM keypool.webhook_status WHERE webhook_id = $ops"),
	'connection_error', 'for the reason noted');
sql('SELECT pg_terminate_backend(pid) FROM keypool.worker_status');
$receiver = StandIn->start(port => $port);
is(events(posts('ops', 1)), 'raised 200', 'it gets what it missed when it is up, from another worker');

# A crash between the post and its being written down.
$receiver->clear_posts;
$receiver->tell(provider => 'hooks', key => 'ops', behaviour => { kind => 'slow', ms => 3000 },
	times => 1);
my $worker = KeypoolCluster::worker($node, 'postgres');
break_key(4);
posts('ops', 1);
kill 'KILL', $worker;
ok(KeypoolCluster::await(sub { (KeypoolCluster::try_sql($node, 'SELECT count(*)
	FROM keypool.webhook_deliveries WHERE next_attempt_at IS NOT NULL') // 1) eq '0' }),
	'after a crash everything is delivered');
@posts = posts('ops', 2);
is(deliveries(@posts), 1, 'what was under way under the same number');
is(scalar(@posts), 2, 'a second time');
is(sql("SELECT count(*), count(DISTINCT (alert_id, event)) FROM keypool.webhook_deliveries
	WHERE webhook_id = $ops") =~ /^(\d+)\|\1$/, 1, 'no event has two deliveries');

# A new secret.
sql("UPDATE keypool.alert_webhooks SET secret = '$secret{tries}', description = 'new'
	WHERE id = $ops");
$receiver->clear_posts;
mend_key(4);
($post) = posts('ops', 1);
is($post->{headers}{'x-keypool-signature'}, signature($post, $secret{tries}),
	'a new secret signs from then on');
sql("UPDATE keypool.alert_webhooks SET description = 'newer' WHERE id = $ops");
is(sql("SELECT secret FROM keypool.alert_webhooks WHERE id = $ops"), '[sealed]',
	'and is not to be read');

# Nothing wakes the worker while there is nothing to post.
settled($ops);
ok(KeypoolCluster::await(sub {
	my $cycle = sql('SELECT last_cycle_at FROM keypool.worker_status');
	sleep 3;
	return sql('SELECT last_cycle_at FROM keypool.worker_status') eq $cycle;
}), 'nothing wakes the worker while nothing happens');

# The secret is nowhere.
KeypoolCluster::ask($node, "SELECT add_webhook('ftp://example.com', '$secret{old}')");
KeypoolCluster::ask($node,
	"INSERT INTO keypool.alert_webhooks (url, secret) VALUES ('https://a:b\@c/', '$secret{old}')");
KeypoolCluster::ask($node,
	"INSERT INTO keypool.alert_webhooks (url, secret, events) VALUES ('https://c/', '$secret{old}',
	 '{no_such_kind}')");
like(sql("SELECT add_webhook('https://example.com', '$secret{old}') IS NOT NULL,
	(SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid())"), qr/^t\|/, 'one more');
my $dump = $node->basedir . '/dump.sql';
my $dumped_at = sql('SELECT now()');
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump is made');
like(slurp_file($dump), qr/\[sealed\]/, 'the dump has the webhooks');
unlike(slurp_file($dump), qr/$MARK/, 'but not their secrets');
unlike(slurp_file($node->logfile), qr/$MARK/, 'nor has the log, errors included');
sql('CHECKPOINT');
my $found = `grep -rl $MARK '@{[ $node->data_dir ]}'`;
is($found, '', 'nor any file of the cluster, tables and WAL included');

$node->safe_psql('postgres', 'CREATE DATABASE copy');
my ($out, $err) = ('', '');
$node->psql('copy', slurp_file($dump), stdout => \$out, stderr => \$err, on_error_stop => 0);
is($node->safe_psql('copy', "SELECT string_agg(encode(envelope, 'hex'), ' ' ORDER BY id)
		FROM keypool.alert_webhooks"),
	sql("SELECT string_agg(encode(envelope, 'hex'), ' ' ORDER BY id) FROM keypool.alert_webhooks"),
	'a dump brings the webhooks back');
# The copy has a worker of its own, which may have found something to tell by now.
is($node->safe_psql('copy', qq{SELECT count(*) FROM keypool.webhook_deliveries d
		JOIN keypool.alerts a ON a.id = d.alert_id
		WHERE d.event = 'raised' AND a.raised_at < '$dumped_at'}), 0, 'and posts nothing again');

unlike(slurp_file($node->logfile), qr/transaction rolled back/, 'no transaction of the worker failed');
$node->stop;
done_testing();
