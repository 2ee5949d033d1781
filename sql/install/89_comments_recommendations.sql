-- Recommendations: comments.

COMMENT ON VIEW keypool.recommendations
IS 'What people should do, each with the figure behind it; a row goes with its cause.';
COMMENT ON COLUMN keypool.recommendations.kind
IS 'What it is about: cheaper_model, unpriced_model, failing_model, near_limit, unused_key, old_key, expiring_key or budget_forecast.';
COMMENT ON COLUMN keypool.recommendations.severity IS 'warning or info; warnings come first.';
COMMENT ON COLUMN keypool.recommendations.subject
IS 'Model, key or budget: model:openai/gpt-4, key:12, budget:3, or budget:3/u1 of a budget for each.';
COMMENT ON COLUMN keypool.recommendations.provider IS 'Provider of the model or key.';
COMMENT ON COLUMN keypool.recommendations.model IS 'Model, as requests name it.';
COMMENT ON COLUMN keypool.recommendations.key_id IS 'Key.';
COMMENT ON COLUMN keypool.recommendations.budget_id IS 'Budget.';
COMMENT ON COLUMN keypool.recommendations.recommendation IS 'A sentence that says what to do, and why.';
COMMENT ON COLUMN keypool.recommendations.figure
IS 'How much: dollars saved or spent, requests, percent or days, as unit says.';
COMMENT ON COLUMN keypool.recommendations.unit IS 'USD, requests, percent or days.';
COMMENT ON COLUMN keypool.recommendations.details IS 'The figures that it was reckoned from.';

-- The parts have the columns of the whole.
COMMENT ON VIEW keypool.model_advice IS 'Internal: recommendations about models.';
COMMENT ON VIEW keypool.key_advice IS 'Internal: recommendations about keys.';
DO $$
DECLARE
  part record;
BEGIN
  FOR part IN
    SELECT v.name, a.attname, col_description(a.attrelid, a.attnum) AS text
    FROM pg_attribute a
    CROSS JOIN (VALUES ('model_advice'), ('key_advice')) AS v (name)
    WHERE a.attrelid = 'keypool.recommendations'::regclass AND a.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN keypool.%I.%I IS %L', part.name, part.attname, part.text);
  END LOOP;
END
$$;

COMMENT ON VIEW keypool.budget_forecast
IS 'What running budgets will have spent when their periods end, in line with the period so far and by weekday.';
COMMENT ON COLUMN keypool.budget_forecast.budget_id IS 'Budget.';
COMMENT ON COLUMN keypool.budget_forecast.name IS 'Its name.';
COMMENT ON COLUMN keypool.budget_forecast.scope IS 'What it is about.';
COMMENT ON COLUMN keypool.budget_forecast.subject
IS 'Whose: the scope_id, or of * the one that it is about; empty for global and anonymous.';
COMMENT ON COLUMN keypool.budget_forecast.period IS 'hour, day, week or month.';
COMMENT ON COLUMN keypool.budget_forecast.action IS 'What happens when it is spent.';
COMMENT ON COLUMN keypool.budget_forecast.limit_usd IS 'Dollars that may be spent in the period.';
COMMENT ON COLUMN keypool.budget_forecast.spent_usd IS 'Dollars spent so far.';
COMMENT ON COLUMN keypool.budget_forecast.period_start IS 'When the period began.';
COMMENT ON COLUMN keypool.budget_forecast.period_end IS 'When it ends.';
COMMENT ON COLUMN keypool.budget_forecast.linear_usd
IS 'Dollars at the end of the period, if it goes on as so far; NULL before a tenth of it is over.';
COMMENT ON COLUMN keypool.budget_forecast.linear_spent_at
IS 'When the budget is spent then; NULL: not in this period.';
COMMENT ON COLUMN keypool.budget_forecast.weekday_usd
IS 'Dollars at the end of the period, if each weekday costs what it did in the last 28 days; NULL: nothing was spent in these, or the period is an hour.';
COMMENT ON COLUMN keypool.budget_forecast.weekday_spent_at
IS 'When the budget is spent then; NULL: not in this period.';
