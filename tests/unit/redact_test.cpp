#include "core/redact.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace keypool::core {
namespace {

// Of no provider's format: known by where it stands alone.
constexpr std::string_view kSecret = "correct horse/battery";

std::string readable(std::string_view text, const SqlReading& reading = {}) {
  return without_secrets(text, find_secrets(text, reading), "…");
}

std::string masked(std::string text, const SqlReading& reading = {}) {
  std::vector<Hidden> hidden = find_secrets(text, reading);
  mask_secrets(text.data(), hidden);
  return text;
}

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(Redact, TakesTheSecretArgumentAwayAndLeavesTheRest) {
  const Case cases[] = {
      {"SELECT add_key('openai', 'abc', 'main')", "SELECT add_key('openai', '[redacted]', 'main')"},
      {"SELECT add_key('openai', 'sk-proj-abcdefghijkl')",
       "SELECT add_key('openai', 'sk-proj-…[redacted]')"},
      {"select PUBLIC.\"add_key\" /* x */ ( 'openai','abc' )",
       "select PUBLIC.\"add_key\" /* x */ ( 'openai','[redacted]' )"},
      {"SELECT add_key(secret => 'abc', provider => 'openai', name := 'b')",
       "SELECT add_key(secret => '[redacted]', provider => 'openai', name := 'b')"},
      {"SELECT rotate_key(7, 'ab' || lower('CD')), 'x'",
       "SELECT rotate_key(7, '[redacted]' || lower('[redacted]')), 'x'"},
      {"SELECT * FROM validate_key((SELECT 'a,b'), 'it''s', 'c')",
       "SELECT * FROM validate_key((SELECT 'a,b'), '[redacted]', 'c')"},
      {"SELECT resolve_key(E'a\\'b'), 'kept'", "SELECT resolve_key(E'[redacted]'), 'kept'"},
      {"SELECT resolve_key(U&'\\0041b'), 'kept'", "SELECT resolve_key(U&'[redacted]'), 'kept'"},
      {"SELECT resolve_key($$a'b$$), $$kept$$", "SELECT resolve_key($$[redacted]$$), $$kept$$"},
      {"SELECT resolve_key($q$a$$b$q$)", "SELECT resolve_key($q$[redacted]$q$)"},
      {"SELECT resolve_key('a' -- not the end)\n 'b')",
       "SELECT resolve_key('[redacted]' -- not the end)\n '[redacted]')"},
      {"SELECT add_key('', '', '')", "SELECT add_key('', '', '')"},
      {"Output: add_key('openai'::text, 'abc'::text, NULL::text)",
       "Output: add_key('openai'::text, '[redacted]'::text, NULL::text)"},
      {"SQL statement \"SELECT add_key('openai', 'abc')\"\nPL/pgSQL function f() line 1",
       "SQL statement \"SELECT add_key('openai', '[redacted]')\"\nPL/pgSQL function f() line 1"},
      {"SELECT log_request('p', 'm', 'u', NULL, 1, 'abc', 2)",
       "SELECT log_request('p', 'm', 'u', NULL, 1, '[redacted]', 2)"},
      {"SELECT import_fernet('tok', 'key', 'openai')",
       "SELECT import_fernet('[redacted]', '[redacted]', 'openai')"},
      {"SELECT import_aes_gcm(password => 'p', sealed => 's')",
       "SELECT import_aes_gcm(password => '[redacted]', sealed => '[redacted]')"},
      {"SELECT add_key(\"openai\", \"wrong quotes\")",
       "SELECT add_key(\"openai\", \"[redacted]\")"},
      {"SELECT add_key('openai', 'cut off in the mid", "SELECT add_key('openai', '[redacted]"},
      {"SELECT add_key('openai', $$cut off in the mid", "SELECT add_key('openai', $$[redacted]"},
  };
  for (const Case& c : cases) EXPECT_EQ(readable(c.text), c.expected);
}

TEST(Redact, ReadsSqlThatStandsInLiterals) {
  const Case cases[] = {
      {"DO $$ BEGIN PERFORM add_key('openai', 'abc'); END $$",
       "DO $$ BEGIN PERFORM add_key('openai', '[redacted]'); END $$"},
      {"DO ' BEGIN PERFORM add_key(''openai'', ''abc''); END '; SELECT 'x'",
       "DO ' BEGIN PERFORM add_key(''openai'', ''[redacted]''); END '; SELECT 'x'"},
      {"DO 'BEGIN EXECUTE ''SELECT add_key(''''openai'''', ''''a b'''')''; END'",
       "DO 'BEGIN EXECUTE ''SELECT add_key(''''openai'''', ''''[redacted]'''')''; END'"},
      {"EXECUTE 'SELECT rotate_key(1, '''')'; SELECT 'x'",
       "EXECUTE 'SELECT rotate_key(1, '''')'; SELECT 'x'"},
      {"EXECUTE 'SELECT rotate_key(1, ''--a'')'; SELECT 'x'",
       "EXECUTE 'SELECT rotate_key(1, ''[redacted]'')'; SELECT 'x'"},
  };
  for (const Case& c : cases) EXPECT_EQ(readable(c.text), c.expected);
}

TEST(Redact, HidesTheRestOfAStatementWhoseQuotingMakesNoSense) {
  for (const std::string_view text :
       {"EXECUTE 'SELECT add_key(''openai'', ' || quote_literal('abcdefgh') || ')'; SELECT 'kept'",
        "EXECUTE 'SELECT add_key(' || quote_literal('openai') || ',' || quote_literal('abcdefgh') "
        "|| ')'; SELECT 'kept'",
        "SELECT add_key('openai' 'abcdefgh'); SELECT 'kept'",
        "SELECT add_key('openai', 'abcdefgh'; SELECT 'kept'"}) {
    EXPECT_EQ(readable(text).find("abcdefgh"), std::string::npos) << text;
    EXPECT_NE(readable(text).find("'kept'"), std::string::npos) << text;
    EXPECT_EQ(masked(std::string(text)).find("abcdefgh"), std::string::npos) << text;
  }
}

TEST(Redact, HidesWhatIsAValueInADocument) {
  const Case cases[] = {
      {R"(SELECT import_keys('{"providers":{"openai":{"api_keys":[{"key":"abc","rate_limit":5}]}}}'))",
       R"(SELECT import_keys('{"providers":{"openai":{"api_keys":[{"key":"[redacted]","rate_limit":5}]}}}'))"},
      {R"(SELECT import_keys('["abc"]'))", R"(SELECT import_keys('["[redacted]"]'))"},
      {R"(SELECT import_keys('{"a":"b\"c"}'))", "SELECT import_keys('[redacted]')"},
      {R"(SELECT import_keys('{"a": abc}'))", "SELECT import_keys('[redacted]')"},
      {R"(SELECT import_keys('{"a": "abc}'))", "SELECT import_keys('[redacted]')"},
      {R"(SELECT import_keys(jsonb_build_object('key', 'abc')))",
       R"(SELECT import_keys(jsonb_build_object('[redacted]', '[redacted]')))"},
      {R"(SELECT log_requests('[{"model":"m","api_key":"abc","x":1}]'))",
       R"(SELECT log_requests('[{"model":"m","api_key":"[redacted]","x":1}]'))"},
      {R"(SELECT log_requests('[{"api_key":null,"model":"m"}]'))",
       R"(SELECT log_requests('[{"api_key":null,"model":"m"}]'))"},
      {R"(SELECT log_requests('[{"api_key":{"a":"abc"}}]'))", "SELECT log_requests('[redacted]')"},
      {R"(SELECT import_trace_keys('{"x-api-key":"abc"}'))",
       R"(SELECT import_trace_keys('{"x-api-key":"[redacted]"}'))"},
  };
  for (const Case& c : cases) EXPECT_EQ(readable(c.text), c.expected);
}

TEST(Redact, HidesWhatIsWrittenToWebhooks) {
  const Case cases[] = {
      {"INSERT INTO keypool.alert_webhooks (url, secret) VALUES ('u', 'abc'), ('v', 'd'); SELECT "
       "'x'",
       "INSERT INTO keypool.alert_webhooks (url, secret) VALUES ('[redacted]', '[redacted]'), "
       "('[redacted]', '[redacted]'); SELECT 'x'"},
      {"UPDATE \"keypool\".\"alert_webhooks\" SET secret = 'abc' WHERE id = 1",
       "UPDATE \"keypool\".\"alert_webhooks\" SET secret = '[redacted]' WHERE id = 1"},
      {"COPY alert_webhooks, line 1: \"u\tabc\"", "COPY alert_webhooks, line 1: \"[redacted]"},
      {"Insert on keypool.alert_webhooks  (cost=0)\n  Output: nextval('s'), 'u'::text, 'abc'::text",
       "Insert on keypool.alert_webhooks  (cost=0)\n  Output: nextval('[redacted]'), "
       "'[redacted]'::text, '[redacted]'::text"},
      {"\"Relation Name\": \"alert_webhooks\", \"Output\": [\"'abc'::text\"]",
       "\"Relation Name\": \"alert_webhooks\", \"Output\": [\"'[redacted]'::text\"]"},
      {"SELECT * FROM keypool.alert_webhooks WHERE url = 'u'",
       "SELECT * FROM keypool.alert_webhooks WHERE url = 'u'"},
      {"SELECT add_webhook('https://x', 'abc', '{a}')",
       "SELECT add_webhook('https://x', '[redacted]', '{a}')"},
  };
  for (const Case& c : cases) EXPECT_EQ(readable(c.text), c.expected);
}

TEST(Redact, KnowsKeysByTheirFormatAnywhere) {
  const Case cases[] = {
      {"key sk-proj-abcdefghijkl\nnext line", "key sk-proj-…[redacted]\nnext line"},
      {"x=sk-ant-api03-abcdefgh;", "x=sk-ant-…[redacted];"},
      {"\"sk-abcdefghij0123456789\"", "\"sk-…[redacted]\""},
      {"{\\nsk-abcdefghij0123456789}", "{\\nsk-…[redacted]}"},
      {"%3Dgsk_abcdefghij0123456789", "%3Dgsk_…[redacted]"},
      {"AIzaSyA1234567890abcdefghijklmnop", "AIza…[redacted]"},
      {"Bearer xai-ABCDEFGHIJKLMNOPQR", "Bearer xai-…[redacted]"},
      {"a sk-or-v1-0123456789abcdef b pplx-0123456789abcdef c",
       "a sk-or-v1-…[redacted] b pplx-…[redacted] c"},
      {"csk-0123456789abcdefgh hf_0123456789abcdefgh fw_0123456789abcdefgh",
       "csk-…[redacted] hf_…[redacted] fw_…[redacted]"},
      {"tgp_v1_abcdefghijk dev_local_dev@localhost_local_development",
       "tgp_v1_…[redacted] dev_local_…[redacted]"},
  };
  for (const Case& c : cases) EXPECT_EQ(readable(c.text), c.expected);
}

TEST(Redact, LeavesOrdinaryTextAlone) {
  for (const std::string_view text :
       {"", "task-550e8400e29b41d4a716446655440000", "d41d8cd98f00b204e9800998ecf8427e",
        "550e8400-e29b-41d4-a716-446655440000", "sk-learn-model-for-everything",
        "SELECT hf_requests_of_yesterday, fw_rules_2024_archive FROM risk-assessment-20240101",
        "/var/lib/postgresql/15/main/base/16384/disk-0123456789abcdef0123",
        "SELECT 'it''s', E'a\\'b', $$c$$, $1 FROM chat_completion_requests WHERE secret = 'x'",
        "function add_key(unknown, integer) does not exist", "add_key_of('a', 'b')",
        "my_add_key('a', 'b')", "SELECT add_key($1, $2)", "checkpoint starting: time",
        "parameters: $1 = 'openai', $2 = 'x'", "SELECT pick_key('openai', 'user-0123456789')",
        "COPY chat_completion_requests, line 1: \"x\"", "resolve_key(NULL::text)"}) {
    EXPECT_TRUE(find_secrets(text, {}).empty()) << text << " became " << readable(text);
  }
}

TEST(Redact, HidesExactlyTheParametersThatAreSecrets) {
  RedactedEntry entry({});
  entry.learn("duration: 1 ms  execute <unnamed>: SELECT add_key($1, $2::text, $3)", false);
  EXPECT_EQ(entry.hide("parameters: $1 = 'openai', $2 = 'a''b', $3 = 'main', $22 = 'x'", "…"),
            "parameters: $1 = 'openai', $2 = '[redacted]', $3 = 'main', $22 = 'x'");
  EXPECT_EQ(entry.hide("parameters: $1 = 'openai', $2 = NULL", "…"), std::nullopt);
  EXPECT_EQ(entry.hide("parameters: $2 = 'cut off", "…"), "parameters: $2 = '[redacted]");
}

TEST(Redact, HidesTheArgumentsOfAPreparedStatement) {
  SecretCalls calls;
  find_secret_calls("PREPARE p AS SELECT add_key(provider => $2, secret => $1)", {}, calls);
  const PreparedCall prepared[] = {{"p", calls.parameters}};
  const SqlReading reading{.prepared = prepared};
  EXPECT_EQ(readable("EXPLAIN EXECUTE P ('abc', 'openai')", reading),
            "EXPLAIN EXECUTE P ('[redacted]', 'openai')");
  EXPECT_EQ(readable("EXECUTE \"p\"('abc', 'openai')", reading),
            "EXECUTE \"p\"('[redacted]', 'openai')");
  EXPECT_EQ(readable("EXECUTE q('abc', 'openai')", reading), "EXECUTE q('abc', 'openai')");
}

TEST(Redact, HidesWhatAnErrorQuotesOfASecret) {
  RedactedEntry entry({});
  entry.learn("SELECT add_key('openai' 'x', 'correct horse')", true);
  EXPECT_EQ(entry.hide("syntax error at or near \"'correct horse'\"", "…"),
            "syntax error at or near \"[redacted]\"");
  EXPECT_EQ(entry.hide("syntax error at or near \"SELECT\"", "…"), std::nullopt);
}

TEST(Redact, BlanksConstantsInDumpsOfTrees) {
  EXPECT_EQ(
      readable("{CONST :consttype 25 :constvalue 12 [ 48 0 0 0 115 107 45 97 98 99 100 101 ]} "
               ":location 1"),
      "{CONST :consttype 25 :constvalue 12 [[redacted]]} :location 1");
  EXPECT_EQ(readable("{CONST :constvalue 4 [ 1 0 0 0 0 0 0 0 ] :location 3}"),
            "{CONST :constvalue 4 [ 1 0 0 0 0 0 0 0 ] :location 3}");
  EXPECT_EQ(readable("({A_CONST :val \"a\":\n \"b\" :location 7})"),
            "({A_CONST :val \"[redacted]\" :location 7})");
}

TEST(Redact, SaysWhetherAStatementShowsAllItsSecrets) {
  const auto plain = [](std::string_view text) {
    SecretCalls calls;
    find_secret_calls(text, {}, calls);
    return calls.any && calls.plain;
  };
  EXPECT_TRUE(plain("SELECT add_key('openai', 'abc'::pg_catalog.text)"));
  EXPECT_TRUE(plain("SELECT add_key('openai', $1), resolve_key(CAST('x' AS text))"));
  EXPECT_FALSE(plain("SELECT add_key('openai', k) FROM (SELECT 'abc' AS k) AS s"));
  EXPECT_FALSE(plain("SELECT add_key('openai', 'a' || chr(1))"));
  EXPECT_FALSE(plain("SELECT my_function('abc')"));
}

TEST(Redact, MaskingKeepsTheLengthAndIsDoneOnce) {
  for (const std::string text :
       {"SELECT add_key('openai', 'sk-proj-abcdefghijkl'), 'x'", "SELECT resolve_key(E'a\\'b')",
        "-- sk-proj-abcdefghijkl/*\nSELECT 1", "EXECUTE 'add_key(' || quote_literal('abc') || ')'",
        "SELECT 'sk-abcdefghij0123456789', resolve_key('x sk-abcdefghij0123456789 y')"}) {
    std::string once = text;
    std::vector<Hidden> hidden = find_secrets(once, {});
    EXPECT_TRUE(mask_secrets(once.data(), hidden)) << text;
    EXPECT_EQ(once.size(), text.size());
    std::string twice = once;
    hidden = find_secrets(twice, {});
    EXPECT_FALSE(mask_secrets(twice.data(), hidden)) << once << " became " << twice;
  }
  EXPECT_EQ(masked("SELECT add_key('openai', 'sk-proj-abcdefghijkl')"),
            "SELECT add_key('openai', 'sk-proj-************')");
}

TEST(Redact, TakesBackslashesAsTheServerDoes) {
  const SqlReading reading{.backslash_escapes = true};
  EXPECT_EQ(readable(R"(SELECT resolve_key('a\'b'), 'x')", reading),
            "SELECT resolve_key('[redacted]'), 'x'");
  EXPECT_EQ(readable(R"(SELECT resolve_key('a\'), 'x')"), "SELECT resolve_key('[redacted]'), 'x'");
}

std::string doubled(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out;
}

// A call as somebody might write it, the secret in it.
std::string random_call(std::mt19937& random) {
  const std::string_view gaps[] = {"", " ", "\n", "/* ' */", " -- '\n"};
  const auto gap = [&] { return std::string(gaps[random() % std::size(gaps)]); };
  const std::string secret(kSecret);
  const std::string quoted[] = {"'" + secret + "'",           "E'\\'" + secret + "\\\\'",
                                "$$" + secret + "$$",         "$a$'" + secret + "$a$",
                                "'''" + secret + "'''::text", "('x'||'" + secret + "')"};
  const std::string value = quoted[random() % std::size(quoted)];
  const std::string calls[] = {
      "add_key" + gap() + "(" + gap() + "'openai'" + gap() + "," + gap() + value + gap() + ",'n')",
      "rotate_key(" + gap() + "12," + value + ")",
      "Add_Key(secret" + gap() + "=>" + gap() + value + ", provider => 'openai')",
      "import_aes_gcm(" + value + ", 'p''w', 'openai')",
  };
  return calls[random() % std::size(calls)];
}

TEST(Redact, NeverLeavesASecretWhateverIsAroundTheCall) {
  std::mt19937 random(7);
  const std::string_view pieces[] = {"'",  "''", "\"", "$$",      "$a$", "(",
                                     ")",  "--", "/*", "*/",      "\n",  ";",
                                     "E'", "\\", "::", "SELECT ", "sk-", "add_key("};
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    const auto noise = [&] {
      for (unsigned n = random() % 6; n > 0; --n) text += pieces[random() % std::size(pieces)];
      text += ' ';
    };
    noise();
    std::string call = random_call(random);
    for (unsigned depth = random() % 3; depth > 0; --depth) call = "'" + doubled(call) + "'";
    text += call;
    if (random() % 4 == 0) text.resize(text.size() - random() % 10);
    noise();
    const std::string mask = masked(text);
    ASSERT_EQ(mask.size(), text.size());
    ASSERT_EQ(mask.find("horse/battery"), std::string::npos) << text << "\nbecame\n" << mask;
    ASSERT_EQ(readable(text).find("horse/battery"), std::string::npos) << text;
  }
}

TEST(Redact, TakesTimeProportionalToTheText) {
  for (const std::string_view piece : {"add_key(", "resolve_key('", "sk-", "sk-a", "$a$", "$1 = '",
                                       "add_key(''", "execute p(", "INSERT INTO alert_webhooks "}) {
    std::string text;
    while (text.size() < 200'000) text += piece;
    const PreparedCall prepared[] = {{"p", {{1, SecretForm::kText}}}};
    EXPECT_LE(find_secrets(text, {.prepared = prepared}).size(), text.size());
  }
}

}  // namespace
}  // namespace keypool::core
