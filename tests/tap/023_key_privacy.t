# A secret that is handed in shows up nowhere else: not in the server's log beside an error, not in
# pg_stat_activity, not in an error's context. And the import from the server's environment, which
# is where secrets need not be handed in at all.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'sk-proj-pppppppppppppppppppppppp';
$ENV{OPENAI_API_KEY} = "${secret}0001";
$ENV{OPENAI_API_KEY_1} = "${secret}0001";
$ENV{OPENAI_API_KEY_2} = "${secret}0002";
$ENV{GOLLM_ANTHROPIC_API_KEY_BACKUP} = 'sk-ant-api03-pppppppppppppppp0003';
$ENV{GROQ_API_KEY} = 'your-api-key';

my $node = KeypoolCluster::start('privacy', 'log_statement = none',
	'log_min_error_statement = debug5');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');

sub ask { return KeypoolCluster::ask($node, @_) }

my $rows = ask('SELECT provider, name, action FROM import_env_keys()');
is( $rows,
	"openai|primary|added\nopenai|secondary|added\nanthropic|backup|added\n"
	  . 'groq|primary|failed: secret cannot be an API key',
	"keys are found in the server's environment");
$rows = ask('SELECT DISTINCT action FROM import_env_keys() WHERE key_id IS NOT NULL');
is($rows, 'unchanged', 'a second time changes nothing');

# Each fails, in its own place.
my @told;
for my $sql (
	"SELECT add_key('openai', '${secret}0001')",
	"SELECT add_key('opnai', '${secret}0004')",
	"SELECT add_key('anthropic', '${secret}0004')",
	"SELECT add_key('openai', '${secret}0004', rate_limit => -1)",
	"SELECT rotate_key(1, '${secret}0002')",
	"SELECT rotate_key(77, '${secret}0004')",
	"SELECT * FROM validate_key('opnai', '${secret}0004')",
	"SELECT * FROM import_keys('[\"${secret}0004\"]')",
	"DO \$\$ BEGIN PERFORM add_key('openai', '${secret}0001'); END \$\$",
	"UPDATE keypool.providers SET key_pattern = '(' WHERE name = 'xai';"
	  . "SELECT add_key('xai', '${secret}0004')")
{
	my $err = ask($sql);
	# psql quotes the line it was told only where the server points into it.
	like($err, qr/ERROR:  \w{5}: /, "fails: $sql");
	push @told, $err;
}
unlike(join('', @told), qr/pppppppp/, 'no error says the secret');
unlike(slurp_file($node->logfile), qr/pppppppp/, 'nor does the log');
like(slurp_file($node->logfile), qr/STATEMENT:  SELECT add_key\('openai', 'sk-proj-\*+'\)/,
	'which says what was called');

# A secret that is none of the call's own literals cannot be masked: then the whole text goes.
my $wherefrom = "SELECT add_key('openai', k) FROM (SELECT 'other-pppppppp' AS k) AS s";
ask($wherefrom);
like(slurp_file($node->logfile), qr/STATEMENT:  SELECT add_key\(\.\.\.\)/,
	'a secret from elsewhere in the statement takes its text away');
ask("SET keypool.redact = off; SELECT add_key('opnai', '${secret}0005')");
unlike(slurp_file($node->logfile), qr/pppppppp/, 'so does a call without redaction');

# Both statements in one message, so that the second finds what became of its text.
my $activity = ask("SELECT resolve_key('${secret}0001') \\; "
	  . 'SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid();');
like($activity, qr/^1\nSELECT resolve_key\('sk-proj-\*+'\) ; SELECT query /,
	'pg_stat_activity shows the call without it');

# The text that was hidden is only that of the statement at hand.
my $context = ask("SELECT resolve_key('${secret}0001');\n"
	  . 'DO $$ BEGIN PERFORM 1 / 0; END $$');
like($context, qr/CONTEXT:  .*PL\/pgSQL function inline_code_block/s, 'other errors keep their context');

done_testing();
