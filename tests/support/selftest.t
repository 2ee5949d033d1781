# The stand-in provider against its own description: what it answers, and how it misbehaves.
#
#   STAND_IN_PROVIDER=<build>/stand_in_provider prove tests/support/selftest.t

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use HTTP::Tiny ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP qw(decode_json);
use StandIn;
use Test::More;
use Time::HiRes qw(sleep time);

my $KEY = 'sk-test-abcdefghijklmnop1234';
my $provider = StandIn->start;
my $http = HTTP::Tiny->new(timeout => 10, max_redirect => 0);

sub credential
{
	my ($name, $key) = @_;
	return { 'x-api-key' => $key, 'anthropic-version' => '2023-06-01' } if $name eq 'anthropic';
	return { 'x-goog-api-key' => $key } if $name eq 'gemini';
	return { 'api-key' => $key } if $name eq 'azure_openai';
	return { authorization => "Bearer $key" };
}

sub models_path { return $_[0] eq 'azure_openai' ? '/openai/models?api-version=1' : '/models' }

# GET …/models of a provider.
sub list_models
{
	my ($name, $key, $client) = @_;
	return ($client // $http)->get($provider->base_url($name) . models_path($name),
		{ headers => credential($name, $key // $KEY) });
}

sub get
{
	my ($name, $path) = @_;
	return $http->get($provider->url("/$name$path"), { headers => credential($name, $KEY) });
}

sub chat
{
	my ($name, $path, $body) = @_;
	return $http->post($provider->base_url($name) . $path,
		{ headers => credential($name, $KEY), content => $body });
}

# The answer of a provider to a key told to behave like this.
sub told
{
	my ($name, $behaviour, $client) = @_;
	$provider->tell(key => $KEY, provider => $name, behaviour => $behaviour);
	my $response = list_models($name, $KEY, $client);
	$provider->forget;
	return $response;
}

sub raw_request
{
	my ($key) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $provider->port)
	  or die "connect: $@";
	print $socket "GET /openai/v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $key\r\n\r\n";
	$socket->flush;
	return $socket;
}

# Waits until the condition holds; false when it does not within ten seconds.
sub eventually
{
	my ($condition) = @_;
	my $deadline = time + 10;
	until ($condition->())
	{
		return 0 if time > $deadline;
		sleep 0.02;
	}
	return 1;
}

subtest 'every provider lists its models for a key nobody spoke of' => sub {
	for my $name (qw(openai groq together mistral cohere deepseek openrouter xai fireworks
		cerebras huggingface azure_openai some_proxy anthropic))
	{
		my $response = list_models($name);
		is($response->{status}, 200, $name);
		ok(@{ decode_json($response->{content})->{data} } > 0, "$name has models");
	}
	my $response = list_models('gemini');
	is(decode_json($response->{content})->{models}[0]{name}, 'models/gemini-2.0-flash', 'gemini');
};

subtest 'account pages have the shape of their providers' => sub {
	my $key = decode_json(get('openrouter', '/api/v1/key')->{content});
	is($key->{data}{limit_remaining}, 74.5, 'openrouter tells what is left');
	my $balance = decode_json(get('deepseek', '/user/balance')->{content});
	is($balance->{balance_infos}[0]{total_balance}, '110.00', 'deepseek tells the balance');
	my $person = decode_json(get('huggingface', '/api/whoami-v2')->{content});
	is($person->{auth}{accessToken}{role}, 'read', 'huggingface tells the role');
};

subtest 'chat answers carry the usage of their dialect' => sub {
	my $answer = decode_json(chat('groq', '/chat/completions', '{"model":"m-1"}')->{content});
	is($answer->{model}, 'm-1', 'openai names the model');
	is($answer->{usage}{prompt_tokens_details}{cached_tokens}, 8, 'and the cached tokens');
	is($answer->{choices}[0]{message}{role}, 'assistant', 'and answers');
	$answer = decode_json(chat('anthropic', '/messages', '{"model":"m-2"}')->{content});
	is($answer->{usage}{cache_read_input_tokens}, 8, 'anthropic counts cache reads');
	is($answer->{content}[0]{type}, 'text', 'and answers');
	$answer = decode_json(chat('gemini', '/models/m-3:generateContent', '{}')->{content});
	is($answer->{usageMetadata}{thoughtsTokenCount}, 4, 'gemini counts thoughts');
	is($answer->{candidates}[0]{content}{parts}[0]{text}, 'Hello from the stand-in.', 'and answers');
	is(chat('openai', '/chat/completions', 'nonsense')->{status}, 400, 'a body must be JSON');
};

subtest 'good answers carry rate limits and a request id' => sub {
	my $headers = list_models('openai')->{headers};
	is($headers->{'x-ratelimit-remaining-requests'}, 9999, 'openai requests');
	like($headers->{'x-ratelimit-reset-requests'}, qr/^\d+ms$/, 'openai reset');
	like($headers->{'x-request-id'}, qr/^req_/, 'openai id');
	$headers = list_models('anthropic')->{headers};
	like($headers->{'anthropic-ratelimit-input-tokens-reset'},
		qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'anthropic reset is RFC 3339');
	like($headers->{'request-id'}, qr/^req_/, 'anthropic id');
	$headers = list_models('azure_openai')->{headers};
	is($headers->{'x-ratelimit-remaining-requests'}, -1, 'azure does not know');
};

# provider, behaviour, status, a text of the body
my @FAILURES = (
	[ 'openai', 'refuse', 401, 'invalid_api_key' ],
	[ 'groq', 'refuse', 401, 'Invalid API Key' ],
	[ 'deepseek', 'refuse', 401, 'Authentication Fails' ],
	[ 'mistral', 'refuse', 401, '"detail"' ],
	[ 'huggingface', 'refuse', 401, '"error":"Invalid username' ],
	[ 'azure_openai', 'refuse', 401, 'Access denied' ],
	[ 'anthropic', 'refuse', 401, 'authentication_error' ],
	[ 'gemini', 'refuse', 400, 'API_KEY_INVALID' ],
	[ 'openai', 'echo', 401, $KEY ],
	[ 'anthropic', 'echo', 401, $KEY ],
	[ 'gemini', 'echo', 400, $KEY ],
	[ 'openai', 'permission', 403, 'permission_error' ],
	[ 'anthropic', 'permission', 403, 'permission_error' ],
	[ 'gemini', 'permission', 403, 'PERMISSION_DENIED' ],
	[ 'openai', 'quota', 429, 'insufficient_quota' ],
	[ 'openai', { kind => 'quota', form => 'billing_limit' }, 400, 'billing_hard_limit_reached' ],
	[ 'anthropic', 'quota', 400, 'credit balance is too low' ],
	[ 'deepseek', 'quota', 402, 'Insufficient Balance' ],
	[ 'gemini', 'quota', 429, 'PerDay' ],
	[ 'openai', 'rate_limit', 429, 'rate_limit_exceeded' ],
	[ 'anthropic', 'rate_limit', 429, 'rate_limit_error' ],
	[ 'gemini', { kind => 'rate_limit', retry_after => 34 }, 429, '"retryDelay":"34s"' ],
	[ 'openai', 'overloaded', 503, 'overloaded' ],
	[ 'anthropic', 'overloaded', 529, 'overloaded_error' ],
	[ 'gemini', 'overloaded', 503, 'UNAVAILABLE' ],
	[ 'openai', 'model_not_found', 404, 'model_not_found' ],
	[ 'anthropic', 'model_not_found', 404, 'not_found_error' ],
	[ 'gemini', 'model_not_found', 404, 'NOT_FOUND' ],
	[ 'openai', 'region_blocked', 403, 'unsupported_country_region_territory' ],
	[ 'anthropic', 'region_blocked', 403, 'Request not allowed' ],
	[ 'gemini', 'region_blocked', 400, 'location is not supported' ],
	[ 'openai', 'bad_request', 400, 'invalid_request_error' ],
	[ 'anthropic', 'bad_request', 400, 'invalid_request_error' ],
	[ 'gemini', 'bad_request', 400, 'INVALID_ARGUMENT' ],
);
for my $name (qw(openai anthropic gemini))
{
	push @FAILURES, [ $name, { kind => 'error', status => $_ }, $_, '"error"' ]
	  for 408, 500, 502, 503, 504;
}

subtest 'failures are worded in the dialect of the provider' => sub {
	for my $failure (@FAILURES)
	{
		my ($name, $behaviour, $status, $text) = @$failure;
		my $kind = ref $behaviour ? $behaviour->{kind} : $behaviour;
		my $response = told($name, $behaviour);
		is($response->{status}, $status, "$name $kind status");
		ok(index($response->{content}, $text) >= 0, "$name $kind body")
		  or diag $response->{content};
		ok(eval { decode_json($response->{content}) }, "$name $kind is JSON");
	}
	unlike(told('openai', 'refuse')->{content}, qr/\Q$KEY/, 'a plain refusal masks the key');
};

subtest 'a rate limit says when to come back in every form there is' => sub {
	my $limit = sub {
		my ($name, $form) = @_;
		return told($name, { kind => 'rate_limit', retry_after => 90.5, form => $form });
	};
	is($limit->('openai', 'seconds')->{headers}{'retry-after'}, 91, 'seconds, rounded up');
	like($limit->('openai', 'date')->{headers}{'retry-after'},
		qr/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/, 'an HTTP date');
	is($limit->('openai', 'ms')->{headers}{'retry-after-ms'}, 90500, 'milliseconds');
	my $reset = $limit->('openai', 'reset')->{headers};
	is($reset->{'x-ratelimit-reset-requests'}, '1m30.500s', 'a reset header');
	ok(!exists $reset->{'retry-after'}, 'and no other');
	ok(exists $limit->('anthropic', 'reset')->{headers}{'anthropic-ratelimit-requests-reset'},
		'a reset header of Anthropic');
	my $none = $limit->('openai', 'none')->{headers};
	is_deeply([ grep { /retry|ratelimit/ } keys %$none ], [], 'not at all');
	like($limit->('gemini', 'retry_delay')->{content}, qr/"retryDelay":"90\.500s"/, 'in the body');
};

subtest 'requests a provider would not take are not taken' => sub {
	is($http->get($provider->base_url('openai') . '/models')->{status}, 401, 'no key');
	is($http->get($provider->base_url('anthropic') . '/models')->{status}, 401, 'no key');
	is($http->get($provider->base_url('gemini') . '/models')->{status}, 403, 'no key');
	is($http->get($provider->base_url('anthropic') . '/models',
			{ headers => { 'x-api-key' => $KEY } })->{status}, 400, 'no anthropic-version');
	is($http->get($provider->base_url('gemini') . "/models?key=$KEY")->{status}, 400, 'key in URL');
	is(get('openai', '/v1/nonsense')->{status}, 404, 'no such path');
	is($provider->violations(what => 'missing_anthropic_version'), 2, 'the version was missed');
	is($provider->violations(what => 'key_in_url'), 1, 'the key in the URL was seen');
	$provider->clear_record;
};

subtest 'the record counts requests and never holds a key' => sub {
	list_models('openai') for 1 .. 3;
	told('anthropic', 'refuse');
	$http->get($provider->url("/openai/$KEY/models"), { headers => credential('openai', $KEY) });
	is($provider->count(provider => 'openai', key => 'sk-...1234', status => 200), 3, 'three good');
	is($provider->count(provider => 'anthropic', status => 401), 1, 'one refused');
	is($provider->record->{total}, 5, 'five in all');
	unlike(JSON::PP->new->encode($provider->record), qr/\Q$KEY/, 'no key in the record');
	$provider->clear_record;
	is($provider->count, 0, 'cleared');
};

subtest 'the narrowest order wins, and lasts as long as it was given for' => sub {
	$provider->refuse_unknown;
	$provider->tell(key => $KEY, behaviour => 'ok');
	$provider->tell(key => $KEY, provider => 'groq', behaviour => 'quota', times => 2);
	$provider->tell(key => [ 'sk-list-0000000001', 'sk-list-0000000002' ], behaviour => 'permission');
	is(list_models('openai', 'sk-unknown-000000')->{status}, 401, 'unknown');
	is(list_models('openai')->{status}, 200, 'known');
	is(list_models('openai', 'sk-list-0000000002')->{status}, 403, 'one of a list');
	is_deeply([ map { list_models('groq')->{status} } 1 .. 3 ], [ 429, 429, 200 ], 'twice');
	$provider->forget;
	is(list_models('openai', 'sk-unknown-000000')->{status}, 200, 'forgotten');
};

subtest 'an order that makes no sense is refused with the reason' => sub {
	for my $order (
		{ key => $KEY, behaviour => 'sulk' },
		{ key => $KEY, behaviour => { kind => 'error', status => 200 } },
		{ key => $KEY, behaviour => { kind => 'rate_limit', retry_afer => 3 } },
		{ key => $KEY, behaviour => { kind => 'redirect', to => 'http://example.com/' } },
		{ key => $KEY, behaviour => 'slow' },
		{ key => $KEY, behaviour => 'ok', times => 0 },
		{ key => $KEY, behaviour => 'ok', provider => 7 },
		{ behaviour => 'ok' },
		{ key => $KEY },
		{ default => 'shrug' })
	{
		ok(!eval { $provider->tell(%$order); 1 }, JSON::PP->new->canonical->encode($order));
		like($@, qr/^stand-in: 400 \{"error":/, 'and says why');
	}
};

subtest 'a redirect target notes whether the credential came along' => sub {
	for my $status (302, 307, 308)
	{
		my $response = told('openai', { kind => 'redirect', status => $status });
		is($response->{status}, $status, "status $status");
		is($response->{headers}{location}, '/redirect-target/', 'location');
	}
	my $elsewhere = 'http://127.0.0.1:9/redirect-target/';
	is(told('openai', { kind => 'redirect', to => $elsewhere })->{headers}{location}, $elsewhere,
		'another server as target');
	is(told('openai', 'echo')->{headers}{'x-echo'}, $KEY, 'echo tells it in a header too');
	is($provider->record->{redirect_target}{hits}, 0, 'not followed');
	$http->get($provider->url('/redirect-target/'), { headers => { 'x-api-key' => $KEY } });
	is_deeply($provider->record->{redirect_target},
		{ hits => 1, credential_headers => ['x-api-key'] }, 'followed with the credential');
	is($provider->violations(what => 'credential_at_redirect_target'), 1, 'which is a violation');
	$provider->clear_record;
};

subtest 'broken servers are imitated' => sub {
	my $response = told('openai', 'drop');
	is($response->{status}, 599, 'drop: the answer ends early');
	like($response->{content}, qr/Unexpected end of stream/, 'as the client notices');

	$response = told('openai', { kind => 'garbage', status => 503 });
	is($response->{status}, 503, 'garbage: the status asked for');
	ok(!eval { decode_json($response->{content}) }, 'no JSON');

	my $size = 0;
	my $reader = sub { $size += length $_[0] };
	$provider->tell(key => $KEY, behaviour => { kind => 'huge', bytes => 50_000_000 });
	$http->get($provider->base_url('openai') . '/models',
		{ headers => credential('openai', $KEY), data_callback => $reader });
	$provider->forget;
	cmp_ok($size, '>=', 50_000_000, 'huge: all of it came');

	$response = told('openai', 'endless_headers');
	is($response->{status}, 599, 'endless headers: the client gives up');

	my $start = time;
	$response = told('openai', { kind => 'slow_body', bytes_per_second => 300 });
	is($response->{status}, 200, 'slow body: complete');
	cmp_ok(time - $start, '>', 0.4, 'and slow');

	$start = time;
	is(told('gemini', { kind => 'refuse', ms => 300 })->{status}, 400, 'any answer can be late');
	cmp_ok(time - $start, '>=', 0.3, 'by as much as was asked');
};

subtest 'a hanging request ends when its client leaves' => sub {
	$provider->tell(key => 'sk-hanging-000001', behaviour => 'hang');
	my $socket = raw_request('sk-hanging-000001');
	ok(eventually(sub { $provider->record->{in_flight} == 2 }), 'it hangs, beside this question');
	ok(!IO::Select->new($socket)->can_read(0.2), 'nothing is sent');
	is($provider->count(status => 0), 1, 'and recorded as not answered');
	close $socket;
	ok(eventually(sub { $provider->record->{in_flight} == 1 }), 'the client left, so did it');
	$provider->forget;
};

subtest 'a receiver of webhooks keeps what is posted' => sub {
	my $url = $provider->hook_url('ops');
	is($http->post($url, { headers => { 'X-Event' => 'raised' }, content => '{"a": 1}' })->{status},
		200, 'it takes it');
	$provider->tell(provider => 'hooks', key => 'ops', behaviour => { kind => 'error', status => 410 },
		times => 1);
	is($http->post($url, { content => 'b' })->{status}, 410, 'or fails as told');
	is($http->get($url)->{status}, 405, 'and takes posts only');
	my ($post, @others) = $provider->posts(hook => 'ops');
	is("$post->{headers}{'x-event'} $post->{body} $post->{status}", 'raised {"a": 1} 200',
		'headers and body are kept');
	is(join(' ', map { $_->{status} } @others), '410', 'of what it failed too');
	is(scalar($provider->posts(hook => 'other')), 0, 'by name');
	$provider->clear_posts;
	is(scalar($provider->posts), 0, 'until they are cleared');
};

subtest 'a thousand slow keys wait together and delay nobody' => sub {
	$provider->clear_record;
	$provider->tell(key => 'sk-slow-0000000001', behaviour => { kind => 'slow', ms => 1000 });
	my $start = time;
	my @sockets = map { raw_request('sk-slow-0000000001') } 1 .. 1000;
	my $asked = time;
	is(list_models('openai')->{status}, 200, 'another key is answered');
	cmp_ok(time - $asked, '<', 0.5, 'at once');
	my $good = grep { (readline($_) // '') =~ /^HTTP\/1.1 200/ } @sockets;
	is($good, 1000, 'all thousand are answered');
	cmp_ok(time - $start, '<', 5, 'and not one after the other');
	cmp_ok($provider->record->{most_in_flight}, '>=', 1000, 'they were there together');
	$provider->forget;
};

subtest 'it stops at once, whatever hangs, and its port is closed then' => sub {
	$provider->tell(key => '*', behaviour => 'hang');
	my @sockets = map { raw_request($KEY) } 1 .. 100;
	ok(eventually(sub { $provider->record->{in_flight} == 101 }), 'a hundred hang');
	my $start = time;
	is($provider->stop, 0, 'a clean end');
	cmp_ok(time - $start, '<', 1, 'at once');
	ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $provider->port), 'port closed');
};

subtest 'it goes with its parent' => sub {
	pipe(my $from_child, my $to_parent) or die "pipe: $!";
	my $child = fork // die "fork: $!";
	if ($child == 0)
	{
		my $orphan = StandIn->start;
		syswrite $to_parent, $orphan->pid . "\n";
		kill 'KILL', $$;
	}
	close $to_parent;
	chomp(my $pid = <$from_child>);
	waitpid $child, 0;
	my $is_gone = sub {
		open(my $status, '<', "/proc/$pid/stat") or return 1;
		return (split ' ', <$status> // '0 0 Z')[2] eq 'Z';    # nobody may be there to reap it
	};
	ok(eventually($is_gone), 'the orphan ended');
};

done_testing();
