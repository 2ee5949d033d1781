\set key random(1, 16)
SELECT bench.cpu_ns() AS before \gset
SELECT pick_key('bench_16', 'user-1', 'org-1', 'model-1') AS secret \gset
SELECT log_request('bench_16', 'model-1', user_id => 'user-1', organization_id => 'org-1', api_key_id => :key, input_tokens => 100, output_tokens => 50, cost_usd => 0.0015, processing_time_ms => 350, session_id => 'session-1');
INSERT INTO bench.noted VALUES ('by id', bench.cpu_ns() - :before);
