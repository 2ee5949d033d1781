-- The providers that are known from the start.
--
-- key_pattern says what is known and no more: where a provider publishes only a prefix, any length
-- passes. check_path must cost nothing; a provider without one is checked by format alone.
INSERT INTO keypool.providers (builtin, name, display_name, aliases, base_url, auth_style,
                               check_path, key_pattern, header_names, env_names, fallback_order,
                               health_check)
VALUES
  -- DeepSeek's keys look like OpenAI's; Anthropic's and OpenRouter's must not pass for them.
  (true, 'openai', 'OpenAI', '{}', 'https://api.openai.com/v1', 'bearer', '/models',
   '^sk-(?!ant-|or-)[A-Za-z0-9_-]{20,}$',
   '{X-API-Key-OpenAI}', '{OPENAI_API_KEY}', 1, true),
  (true, 'anthropic', 'Anthropic', '{claude}', 'https://api.anthropic.com/v1', 'x-api-key',
   '/models',
   '^sk-ant-[A-Za-z0-9_-]+$',
   '{X-API-Key-Claude,X-API-Key-Anthropic}', '{ANTHROPIC_API_KEY}', 2, true),
  (true, 'gemini', 'Google Gemini', '{google}', 'https://generativelanguage.googleapis.com/v1beta',
   'x-goog-api-key', '/models?pageSize=1',
   '^AIza[A-Za-z0-9_-]{35}$',
   '{X-API-Key-Gemini}', '{GEMINI_API_KEY,GOOGLE_API_KEY}', 3, true),
  (true, 'groq', 'Groq', '{}', 'https://api.groq.com/openai/v1', 'bearer', '/models',
   '^gsk_[A-Za-z0-9_-]+$',
   '{X-API-Key-Groq}', '{GROQ_API_KEY}', NULL, true),
  (true, 'together', 'Together AI', '{}', 'https://api.together.xyz/v1', 'bearer', '/models',
   '^(tgp_v1_[A-Za-z0-9_-]+|[0-9A-Fa-f]{32,})$',
   '{X-API-Key-Together}', '{TOGETHER_API_KEY}', NULL, true),
  -- Checked at the hub, which is another host than the API's.
  (true, 'huggingface', 'Hugging Face', '{hf}', 'https://router.huggingface.co/v1', 'bearer',
   'https://huggingface.co/api/whoami-v2',
   '^hf_[A-Za-z0-9_-]+$',
   '{X-API-Key-HuggingFace}', '{HF_TOKEN,HUGGINGFACE_API_KEY}', NULL, true),
  (true, 'mistral', 'Mistral AI', '{}', 'https://api.mistral.ai/v1', 'bearer', '/models',
   '^[A-Za-z0-9]{32}$',
   '{X-API-Key-Mistral}', '{MISTRAL_API_KEY}', NULL, true),
  (true, 'cohere', 'Cohere', '{}', 'https://api.cohere.com/v1', 'bearer', '/models',
   '^[A-Za-z0-9]{40}$',
   '{X-API-Key-Cohere}', '{COHERE_API_KEY}', NULL, true),
  (true, 'deepseek', 'DeepSeek', '{}', 'https://api.deepseek.com', 'bearer', '/models',
   '^sk-[0-9A-Fa-f]{32}$',
   '{X-API-Key-DeepSeek}', '{DEEPSEEK_API_KEY}', NULL, true),
  (true, 'openrouter', 'OpenRouter', '{}', 'https://openrouter.ai/api/v1', 'bearer', '/key',
   '^sk-or-v1-[0-9A-Fa-f]{64}$',
   '{X-API-Key-OpenRouter}', '{OPENROUTER_API_KEY}', NULL, true),
  (true, 'xai', 'xAI', '{grok}', 'https://api.x.ai/v1', 'bearer', '/models',
   '^xai-[A-Za-z0-9_-]+$',
   '{X-API-Key-xAI}', '{XAI_API_KEY}', NULL, true),
  (true, 'fireworks', 'Fireworks AI', '{}', 'https://api.fireworks.ai/inference/v1', 'bearer',
   '/models',
   '^fw_[A-Za-z0-9_-]+$',
   '{X-API-Key-Fireworks}', '{FIREWORKS_API_KEY}', NULL, true),
  (true, 'cerebras', 'Cerebras', '{}', 'https://api.cerebras.ai/v1', 'bearer', '/models',
   '^csk-[A-Za-z0-9_-]+$',
   '{X-API-Key-Cerebras}', '{CEREBRAS_API_KEY}', NULL, true),
  -- No request is free here, so none is sent.
  (true, 'perplexity', 'Perplexity', '{}', 'https://api.perplexity.ai', 'bearer', NULL,
   '^pplx-[A-Za-z0-9_-]+$',
   '{X-API-Key-Perplexity}', '{PERPLEXITY_API_KEY}', NULL, false),
  -- Every customer has a resource, hence a host, of his own: it is given with the key.
  (true, 'azure_openai', 'Azure OpenAI', '{azure}', NULL, 'api-key',
   '/openai/models?api-version=2024-10-21',
   '^([0-9A-Fa-f]{32}|[A-Za-z0-9]{84})$',
   '{X-API-Key-Azure}', '{AZURE_OPENAI_API_KEY}', NULL, true),
  -- Keys that callers present to us: known by fingerprint, never sent anywhere, of any format.
  (true, 'gateway', 'Gateway', '{}', NULL, 'none', NULL, NULL, '{}', '{}', NULL, false);
