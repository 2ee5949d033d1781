-- Statements that fail, before, in and after the call that has the secret.
SELECT add_key('opnai', '<<openai unknown provider>>');
SELECT add_key('anthropic', '<<openai wrong provider>>');
SELECT add_key('openai', '<<openai bad limit>>', rate_limit => -1);
SELECT add_key('openai', '<<openai bad type>>', rate_limit => 'many');
SELECT add_key('openai', '<<openai too many>>', 1, 2, 3);
SELECT add_key('<<openai alone>>');
SELECT add_key(12, '<<openai number>>'::int);
SELECT add_key('openai', '<<openai no such column>>', name => nobody);
SELECT no_such_function('openai', '<<openai no such function>>');
SELECT add_key('openai', '<<openai no such table>>') FROM nowhere;
SELECT add_key('openai', '<<openai syntax>>') FRM nowhere WHERE;
SELEC add_key('openai', '<<openai no statement>>');
SELECT add_key('gateway', '<<none syntax>>') FRM nowhere WHERE;
SELECT add_key('gateway', '<<none no such table>>') FROM nowhere;
SELECT add_key('gateway', '<<none bad type>>', rate_limit => 'many');
SELECT add_key('gateway', '<<none division>>'), 1 / 0;
SELECT add_key('openai', '<<openai division>>'), 1 / 0;
SELECT add_key('opnai', '<<none unknown provider>>');
SELECT add_key('gateway', 'white space <<none white space>>');
SELECT rotate_key(-1, '<<openai no such key>>');
SELECT rotate_key(NULL, '<<openai null key>>');
SELECT rotate_key(-1, '<<none no such key>>');
SELECT * FROM validate_key('opnai', '<<openai validate>>');
SELECT * FROM import_keys('["<<openai not a document>>"]');
SELECT * FROM import_keys('{"providers": {"openai": {"api_keys": ["<<openai not an object>>"]}}}');
SELECT * FROM import_keys('{"providers": {"openai": {"api_keys": [{"ky": "<<openai misspelt>>"}]}}}');
SELECT * FROM import_keys('{"providers": {"openai": "<<openai not a provider>>"}}');
SELECT * FROM import_keys('{"providers": {"<<openai name of a provider>>": {}}}');
SELECT * FROM import_keys('{"providers": {"openai": {"api_keys": [{"key": "<<openai not json>>"}]}');
SELECT * FROM import_keys('{"providers": {"gateway": {"api_keys": [{"key": "<<none not json>>"}]}');
SELECT log_requests('[{"provider": "openai", "api_key": "<<openai wrong batch>>", "input_tokens": "x"}]');
SELECT log_requests('{"<<openai name of a field>>": 1}');
SELECT log_request('openai', 'm', api_key => '<<openai wrong status>>', http_status => -7);
SELECT log_request('openai', 'm', input_tokens => -1, error_message => 'echo <<openai echoed>>');
SELECT log_request('openai', 'm', 'ann', error_message => 'Incorrect API key provided: <<openai told>>');
SELECT mark_key_error(1, 'authentication', 401, headers => '{"x-echo": "<<openai header>>"}',
  message => 'Incorrect API key provided: <<openai message>>');
SELECT mark_key_error(1, '<<openai error type>>', 401);
SELECT revoke_key(-1, 'because of <<openai reason>>');
SELECT add_webhook('ftp://<<openai user>>@127.0.0.1/', '<<none bad webhook>>');
SELECT add_webhook('http://127.0.0.1/<<openai path>>', '<<none other webhook>>', ARRAY['no such event']);
SELECT import_fernet('gAAAAA', '<<none wrong fernet key>>', 'openai');
SELECT import_fernet('<<openai no token>>', '<<none other fernet key>>', 'openai');
SELECT import_aes_gcm('00', '<<none wrong password>>', 'openai');
SELECT * FROM import_trace_keys('{"X-API-Key-OpenAI": "<<none odd header>>", "X-API-Key-Groq": ["<<groq in a list>>"]}');
SELECT * FROM import_trace_keys('{"X-API-Key-OpenAI": "<<none header not json>>"');
SELECT add_my_key('opnai', '<<none my mistake>>');
SELECT add_my_key('openai', '<<openai of nobody>>');
SELECT revoke_my_key(-1, 'found <<openai in a reason>>');
SELECT forget_user('<<openai as a user>>') IS NULL, forget_organization('<<openai as an organization>>') IS NULL;
COPY keypool.alert_webhooks (url, secret) FROM stdin (DELIMITER ' ');
ftp://nowhere <<none badly copied webhook>>
\.
COPY pg_temp.nowhere FROM stdin;
<<openai copied nowhere>>
\.
UPDATE keypool.api_keys SET ciphertext = '<<openai ciphertext>>'::bytea WHERE id = 1;
UPDATE keypool.alert_webhooks SET secret = '<<none update webhook>>';
INSERT INTO keypool.alert_webhooks (url, secret) VALUES ('ftp://nowhere', '<<none insert webhook>>');
DO $$ BEGIN PERFORM add_key('openai', '<<openai do error>>'); PERFORM 1 / 0; END $$;
DO $$ DECLARE s text := '<<openai do variable error>>'; BEGIN PERFORM add_key('opnai', s); END $$;
DO $do$ BEGIN EXECUTE 'SELECT add_key(''openai'', ''<<openai execute error>>'') FRM'; END $do$;
DO $$ BEGIN PERFORM add_key('gateway', '<<none do error>>'); PERFORM 1 / 0; END $$;
PREPARE failing(text) AS SELECT add_key('opnai', $1);
EXECUTE failing('<<openai execute error too>>');
EXECUTE failing('<<none execute error>>');
EXECUTE nothing('<<openai not prepared>>');
SET statement_timeout = '100ms';
SELECT add_key('openai', '<<openai timeout>>'), pg_sleep(5);
SELECT pg_sleep(5), add_key('gateway', '<<none timeout>>');
DO $$ BEGIN PERFORM add_key('openai', '<<openai timeout in a block>>'); PERFORM pg_sleep(5); END $$;
RESET statement_timeout;
-- psql looks for the other parenthesis up to here.
SELECT add_key('openai', '<<openai cut off>>';
