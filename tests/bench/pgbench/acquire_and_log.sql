SELECT bench.cpu_ns() AS before \gset
SELECT lease_id, secret FROM acquire_key('bench_16', 'user-1', 'org-1', 'model-1', estimated_tokens => 200, estimated_cost => 0.002) \gset
SELECT log_request('bench_16', 'model-1', user_id => 'user-1', organization_id => 'org-1', lease_id => :lease_id, input_tokens => 100, output_tokens => 50, cost_usd => 0.0015, processing_time_ms => 350, session_id => 'session-1');
INSERT INTO bench.noted VALUES ('acquire', bench.cpu_ns() - :before);
