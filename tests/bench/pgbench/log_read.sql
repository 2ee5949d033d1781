SELECT * FROM keypool.api_key_tracking_quality LIMIT 24;
