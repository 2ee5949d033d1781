-- One statement a line, sent by the extended protocol with each secret as a parameter of its own.
SELECT add_key('openai', <<openai parameter>>);
SELECT add_key('gateway', <<none parameter>>);
SELECT add_key(provider => 'gateway', name => NULL, secret => <<none named parameter>>);
SELECT resolve_key(<<none resolved parameter>>);
SELECT rotate_key(id, <<openai rotated parameter>>) FROM keypool.api_keys WHERE name = 'primary' AND provider = 'openai';
SELECT * FROM import_keys(<<openai in a document>>::jsonb);
SELECT * FROM import_keys(jsonb_build_object('providers', jsonb_build_object('gateway', jsonb_build_object('api_keys', jsonb_build_array(jsonb_build_object('key', <<none built>>::text))))));
SELECT log_request('openai', 'm', api_key => <<none logged parameter>>);
SELECT add_webhook('http://127.0.0.1:9/', <<none webhook parameter>>);
SELECT add_key('opnai', <<openai refused parameter>>);
SELECT add_key('opnai', <<none refused parameter>>);
SELECT rotate_key(-1, <<none parameter of no key>>);
SELECT add_key('gateway', <<none parameter of division>>), 1 / (SELECT 0);
SELECT <<openai parameter of the wrong type>>::int;
SELECT add_key('gateway', <<none parameter in time>>), pg_sleep(5);
SELECT import_fernet('gAAAA', <<none fernet key>>, 'openai');
SELECT import_aes_gcm('00', <<none password>>, 'openai');
SELECT * FROM validate_key('gateway', <<none validated parameter>>);
