# A real Prometheus reads what prometheus_metrics() writes, with the scrape configuration and the
# alert rules that people are given; promtool has no remark on any of it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use HTTP::Tiny ();
use IO::Socket::INET ();
use IPC::Run ();
use JSON::PP ();
use KeypoolCluster;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $examples = "$FindBin::RealBin/../../examples/prometheus";
my $folder = PostgreSQL::Test::Utils::tempdir();
my @stop;    # what must not outlive the test
END { my $status = $?; $_->() for @stop; $? = $status }

my $node = KeypoolCluster::start('prometheus', q{keypool.health_check_interval = '1h'},
	'keypool.validate_format = off');
sub sql { return $node->safe_psql('postgres', $_[0]) }

# What promtool prints and, unless all is well, its exit status.
sub promtool
{
	my ($input, @arguments) = @_;
	my $said = '';
	my $done = eval { IPC::Run::run([ 'promtool', @arguments ], '<', \$input, '>&', \$said) };
	return $@ if $@;
	return $done ? $said : $said . 'exit status ' . ($? >> 8);
}
sub check_metrics { return promtool($_[0] . "\n", 'check', 'metrics') }

# The value of a sample, its labels written as they are.
sub sample
{
	my ($metrics, $name) = @_;
	return $metrics =~ /^\Q$name\E (\S+)$/m ? $1 : undef;
}

like(promtool('', '--version'), qr/^promtool, version/, 'prometheus is installed');

# What people are given.
for my $file (qw(prometheus.yml keypool-alerts.yml keypool-alerts-test.yml))
{
	my ($verb, $what) = $file =~ /test/ ? qw(test rules) : ('check', $file =~ /alerts/ ? 'rules' : 'config');
	my $said = promtool('', $verb, $what, "$examples/$file");
	unlike($said, qr/exit status|FAILED|warning/i, "promtool accepts $file") or diag $said;
}

# A database with nothing in it.
sql('CREATE EXTENSION pg_keypool');
is(check_metrics(sql('SELECT prometheus_metrics()')), '', 'no remark on an empty database');
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');

# Names that people may give, and keys whose every figure is known.
sql(q{
	SELECT add_key('openai', 'sk-plain-' || repeat('a', 40), name => 'plain',
		rate_limit => 10, requests_per_minute => 10, tokens_per_minute => 1000, max_concurrency => 4,
		daily_cost_limit => 2.5, expires_at => now() + interval '2 days');
	SELECT add_key('openai', 'sk-odd-' || repeat('b', 40), name => E'a "b" \\\\c {d="e"} \n f, ü → 1 #');
	SELECT add_key('openai', 'sk-org-' || repeat('c', 40), organization_id => 'acme');
	SELECT add_key('openai', 'sk-user-' || repeat('d', 40), user_id => 'somebody@example.com');
	SELECT add_key('groq', 'gsk-only-' || repeat('e', 40), expires_at => 'infinity');
	SELECT pick_key('openai') FROM generate_series(1, 8);
	SELECT pick_key('openai', 'somebody@example.com');
	SELECT 1 FROM acquire_key('groq');
	SELECT mark_key_error(3, 'rate_limit', 429, interval '1 hour');
	SELECT mark_key_success(1, 250);
	INSERT INTO keypool.chat_completion_requests
		(provider, model, user_id, api_key_id, is_anonymous, input_tokens, cost_usd)
	SELECT 'openai', 'gpt-4', 'u', CASE WHEN n <= 6 THEN 1 END, false, 100, 0.25
	FROM generate_series(1, 8) n;
	INSERT INTO keypool.chat_completion_requests (provider, model, is_anonymous)
	VALUES ('openai', 'gpt-4', true)});
KeypoolCluster::await(sub {
	sql('SELECT sum(requests), sum(picks) FROM keypool.usage_totals') eq '8|10' });
my $metrics = sql('SELECT prometheus_metrics()');
is(check_metrics($metrics), '', 'no remark on awkward names');
unlike($metrics, qr/somebody|acme/, 'nobody\'s user id or organization id is told');
unlike($metrics, qr/sk-/, 'nor any part of a secret');
my $key = 'provider="openai",key_source="system",key_id="1",key_name="plain"';
is(sample($metrics, "keypool_key_requests_total{$key}"), 7, 'requests of a key');
is(sample($metrics, "keypool_key_tokens_total{$key}"), 600, 'its tokens');
is(sample($metrics, "keypool_key_cost_dollars_total{$key}"), 1.5, 'its cost');
is(sample($metrics, qq(keypool_key_limit_left_ratio{$key,kind="daily_cost"})), 0.4,
	'what is left of a limit');
is(sample($metrics, 'keypool_in_flight_requests{provider="groq",key_source="system"}'), 1,
	'open leases');
is(sample($metrics, 'keypool_keys{provider="openai",key_source="organization",state="cooling"}'), 1,
	'keys by state');
is(sample($metrics, 'keypool_picks_total{provider="openai",key_source="user"}'), 1,
	'a user\'s picks are in the sum');
is(sample($metrics, 'keypool_cost_dollars_total{provider="openai",key_source="system"}'), 1.5,
	'so is what was spent');
is(sample($metrics, 'api_key_tracking_rate'), 0.666667, 'the tracking rate');
is(sample($metrics, 'api_key_tracking_success_total{request_type="authenticated"}'), 6,
	'requests with a key');
is(sample($metrics, 'api_key_tracking_success_total{request_type="anonymous"}'), 1,
	'anonymous requests');
is(sample($metrics, 'api_key_tracking_failures_total{reason="no_key"}'), 2,
	'requests without the key they should have');
is(sample($metrics, 'keypool_request_log_rows'), 9, 'rows of the log');
is(sample($metrics, 'keypool_worker_up'), 1, 'the worker');

# Many keys.
sql(q{
	INSERT INTO keypool.api_keys (provider, name, user_id, envelope, fingerprint, hint)
	SELECT 'mistral', 'k' || n, CASE WHEN n % 2 = 0 THEN 'u' || n END, k.envelope,
		sha256(n::text::bytea), k.hint
	FROM keypool.api_keys k, generate_series(1, 4000) n WHERE k.id = 1});
$metrics = sql('SELECT prometheus_metrics()');
is(check_metrics($metrics), '', 'no remark on thousands of keys');
my $series = () = $metrics =~ /^[^#\n]/mg;
cmp_ok($series, '<', 6000, "which have $series series");
is(sample($metrics, 'keypool_keys{provider="mistral",key_source="user",state="healthy"}'), 2000,
	'and are all counted');

# The metrics over HTTP, as PostgREST serves them: by the function of postgrest.sql, in a read-only
# transaction, as a role that may look and nothing else.
sql('CREATE SCHEMA api; CREATE ROLE authenticator');
$node->command_ok([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'api=api', '-v',
		'authenticator=authenticator', '-f', "$examples/postgrest.sql" ], 'postgrest.sql works');
my $statement = 'BEGIN READ ONLY; SET LOCAL ROLE keypool_metrics; SELECT api.keypool_metrics()';
my $server = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1') or die "no port: $!";

sub serve
{
	while (my $client = $server->accept)
	{
		my $request = <$client> // '';
		while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
		my $found = $request =~ m{^GET /rpc/keypool_metrics };
		my $body = '';
		IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $statement ],
			'>', \$body) if $found;
		printf $client "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		  . "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
		  $found ? '200 OK' : '404 Not Found', length $body, $body;
		close $client;
	}
	return;
}

my $serving = fork() // die "cannot fork: $!";
if ($serving == 0)
{
	@stop = ();
	$SIG{TERM} = sub { POSIX::_exit(0) };
	serve();
	POSIX::_exit(0);
}
push @stop, sub { kill 'TERM', $serving; waitpid $serving, 0 };

# Its own configuration, faster and at other ports.
sub free_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
	return $socket->sockport;
}
my $port = free_port();
my $target = $server->sockport;
for my $file (qw(prometheus.yml keypool-alerts.yml))
{
	my $text = slurp_file("$examples/$file");
	$text =~ s/localhost:3000/127.0.0.1:$target/;
	$text =~ s/localhost:9100/127.0.0.1:$target/;
	$text =~ s/_(interval|timeout): \d+s/_$1: 1s/g;
	$text =~ s/\bfor: \d+m/for: 0s/g;
	PostgreSQL::Test::Utils::append_to_file("$folder/$file", $text);
}
my $log = '';
my $prometheus = IPC::Run::start([
		'prometheus', "--config.file=$folder/prometheus.yml", "--storage.tsdb.path=$folder/tsdb",
		"--web.listen-address=127.0.0.1:$port", '--log.level=warn' ],
	'<', \undef, '>&', \$log);
push @stop, sub { $prometheus->signal('TERM'); $prometheus->finish };

my $http = HTTP::Tiny->new(timeout => 5);

# What Prometheus answers to a question of its HTTP API; undef before it is there.
sub api
{
	my ($path, %question) = @_;
	my $answer = $http->get("http://127.0.0.1:$port/api/v1/$path?" . $http->www_form_urlencode(\%question));
	return $answer->{success} ? JSON::PP::decode_json($answer->{content})->{data} : undef;
}
# The value of an expression with one result.
sub value
{
	my $data = api('query', query => $_[0]) // return '';
	return $data->{result}[0]{value}[1] // '';
}
# Waits until an expression has that value.
sub becomes
{
	my ($expression, $expected, $what) = @_;
	my $value = '';
	KeypoolCluster::await(sub { ($value = value($expression)) eq $expected });
	is($value, $expected, $what) or diag $log;
	return;
}
sub firing
{
	my $data = api('alerts') // return '';
	return join ' ', sort map { "$_->{labels}{alertname}/" . ($_->{labels}{provider} // '') }
	  grep { $_->{state} eq 'firing' } @{ $data->{alerts} };
}

becomes('up{job="keypool"}', 1, 'Prometheus scrapes the database');
is(value('scrape_samples_scraped{job="keypool"}'), $series, 'all samples');
is(value(qq(keypool_key_requests_total{key_id="1"})), 7, 'a counter');
is(value('api_key_tracking_rate{database="app"}'), 0.666667, 'the tracking rate, with the target\'s label');
my $odd = api('query', query => 'keypool_key_available{key_id="2"}');
is($odd->{result}[0]{metric}{key_name}, "a \"b\" \\c {d=\"e\"} \n f, \x{fc} \x{2192} 1 #",
	'an awkward name arrives as it was given');
is(value('sum(keypool_keys)'), sql('SELECT count(*) FROM keypool.api_keys'), 'the number of keys');

# Once the rules have been looked at: the one key of an organization is cooling, that of groq is well.
my $judged = KeypoolCluster::await(sub { firing() =~ m{NoHealthyKey/openai\b} });
ok($judged, 'an alert fires while all keys of an organization cool') or diag firing(), $log;
unlike(firing(), qr{NoHealthyKey/groq}, 'no alert of a healthy provider');
sql(q{SELECT mark_key_error(5, 'invalid_api_key', 401)});
my $fired = KeypoolCluster::await(sub { firing() =~ m{NoHealthyKey/groq\b} });
ok($fired, 'an alert fires when the last key of a provider is refused') or diag firing(), $log;
like(firing(), qr/KeypoolKeyExpires\/openai/, 'others tell of a key that expires');
like(firing(), qr/KeypoolTrackingRateLow/, 'and of requests without a key');
unlike(firing(), qr/WorkerDown|RollupBehind|Spending/, 'but not of what is well');

# A counter that falls by a part would look like one that began anew and jumped.
my $picks = 'keypool_picks_total{provider="openai",key_source="system"}';
my $before = sample(sql('SELECT prometheus_metrics()'), $picks);
$node->stop('immediate');
$node->start;
sql(q{SELECT revoke_key(1)});
is(sample(sql('SELECT prometheus_metrics()'), $picks), $before,
	'neither a crash nor a revoked key takes anything from the sums');
is(sample(sql('SELECT prometheus_metrics()'),
		'api_key_tracking_success_total{request_type="authenticated"}'), 0,
	'what is counted in memory starts anew');

is($log, '', 'Prometheus had nothing to say');
$node->stop('fast');
done_testing();
