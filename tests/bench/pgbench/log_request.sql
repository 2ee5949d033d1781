SELECT log_request('openai', 'model-1', user_id => 'user-1', api_key_id => 1, input_tokens => 100, output_tokens => 50, cost_usd => 0.0015, processing_time_ms => 350, session_id => 'session-1');
