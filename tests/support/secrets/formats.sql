-- A key of each provider, added, and each provider's again where none is expected.
SELECT add_key('openai', '<<openai key>>'), add_key('anthropic', '<<anthropic key>>'),
  add_key('gemini', '<<gemini key>>'), add_key('groq', '<<groq key>>'),
  add_key('together', '<<together key>>'), add_key('huggingface', '<<huggingface key>>'),
  add_key('mistral', '<<mistral key>>'), add_key('cohere', '<<cohere key>>'),
  add_key('deepseek', '<<deepseek key>>'), add_key('openrouter', '<<openrouter key>>'),
  add_key('xai', '<<xai key>>'), add_key('fireworks', '<<fireworks key>>'),
  add_key('cerebras', '<<cerebras key>>'), add_key('perplexity', '<<perplexity key>>'),
  add_key('azure_openai', '<<azure key>>', base_url => 'http://127.0.0.1:9/');
-- A mistake that many make: the key where the provider's or user's name belongs.
SELECT pick_key('<<openai as provider>>');
SELECT length(pick_key('openai', '<<anthropic as user>>')) > 0;
SELECT '<<openai misplaced>>', '<<anthropic misplaced>>', '<<gemini misplaced>>', '<<groq misplaced>>',
  '<<huggingface misplaced>>', '<<openrouter misplaced>>', '<<xai misplaced>>', '<<fireworks misplaced>>',
  '<<cerebras misplaced>>', '<<perplexity misplaced>>' WHERE false;
SELECT 1 / 0 AS x, '<<openai division>>', '<<anthropic division>>';
SELECT relname FROM pg_class WHERE relname = '<<openai condition on a table>>';
SELECT x FROM (SELECT '<<openai column>>' AS x) y WHERE x::int > 0;
SET keypool.user_id = '<<openai setting>>';
RESET keypool.user_id;
