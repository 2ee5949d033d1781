-- What \d+ and \df+ say of budgets, their books and their views.

COMMENT ON TABLE keypool.budgets IS
  'How much may be spent, for what, in which period, and what happens then. Edit it as you like.';
COMMENT ON COLUMN keypool.budgets.id IS 'Id of the budget.';
COMMENT ON COLUMN keypool.budgets.name IS 'Name for people, shown in refusals and alerts.';
COMMENT ON COLUMN keypool.budgets.scope IS
  'Whose spending it counts: global, provider, organization, user, key, model or anonymous (requests that name neither a user nor an organization).';
COMMENT ON COLUMN keypool.budgets.scope_id IS
  'The provider, organization, user, key (its id) or model; * gives each one a budget of that size.';
COMMENT ON COLUMN keypool.budgets.period IS
  'hour, day, week (from Monday on), month, total or rolling.';
COMMENT ON COLUMN keypool.budgets.rolling_window IS
  'Length of a rolling period, 1 hour to 366 days. It moves in steps of about a twentieth.';
COMMENT ON COLUMN keypool.budgets.time_zone IS
  'Where the periods begin and end, as in pg_timezone_names.';
COMMENT ON COLUMN keypool.budgets.limit_usd IS 'How many US dollars may be spent in a period.';
COMMENT ON COLUMN keypool.budgets.action IS
  'At the limit: warn only alerts, block refuses (KP002), fallback goes on with fallback_model, or without one with another owner''s keys or another provider.';
COMMENT ON COLUMN keypool.budgets.fallback_model IS 'Model to use instead, with action fallback.';
COMMENT ON COLUMN keypool.budgets.fail_mode IS
  'Requests whose cost cannot be known beforehand: closed refuses them, open assumes keypool.unknown_request_cost.';
COMMENT ON COLUMN keypool.budgets.enabled IS
  'Whether it applies. What is spent is counted either way.';
COMMENT ON COLUMN keypool.budgets.created_at IS 'When it was made.';
COMMENT ON COLUMN keypool.budgets.counts_from IS
  'Start of the first period in its books, set by itself when they are opened.';
COMMENT ON SEQUENCE keypool.budgets_id_seq IS 'Ids of budgets.';

COMMENT ON TABLE keypool.budget_spending IS
  'The books of the budgets, without the tail of the log: the views add it.';
COMMENT ON COLUMN keypool.budget_spending.budget_id IS 'The budget.';
COMMENT ON COLUMN keypool.budget_spending.subject IS
  'Whose spending it is; empty where the scope is global or anonymous.';
COMMENT ON COLUMN keypool.budget_spending.period_start IS
  'Start of the period, or of a step of a rolling window; -infinity for all time.';
COMMENT ON COLUMN keypool.budget_spending.spent_nano IS 'What was spent, in nano-dollars.';

COMMENT ON TRIGGER guard_budget ON keypool.budgets IS
  'Refuses budgets for what there is not, and has books opened anew where something else is counted';
COMMENT ON TRIGGER budgets_changed ON keypool.budgets IS
  'Opens and closes the books, and tells every session at commit';
COMMENT ON TRIGGER budgets_truncated ON keypool.budgets IS 'Closes all books';

COMMENT ON VIEW keypool.budget_parts IS
  'Internal: what the books hold and what is not folded yet. Ungrouped.';
COMMENT ON COLUMN keypool.budget_parts.budget_id IS 'The budget.';
COMMENT ON COLUMN keypool.budget_parts.subject IS 'Whose spending it is.';
COMMENT ON COLUMN keypool.budget_parts.period_start IS 'Start of the period or step.';
COMMENT ON COLUMN keypool.budget_parts.spent_nano IS
  'Nano-dollars; negative where the log was corrected.';

COMMENT ON VIEW keypool.budget_status IS
  'What each budget has spent, reserved and left just now; of a budget for each, by user, key and so on. Exact.';
COMMENT ON COLUMN keypool.budget_status.budget_id IS 'Id in keypool.budgets.';
COMMENT ON COLUMN keypool.budget_status.name IS 'Its name.';
COMMENT ON COLUMN keypool.budget_status.scope IS 'Whose spending it counts.';
COMMENT ON COLUMN keypool.budget_status.subject IS
  'The provider, organization, user, key id or model; empty where the scope names none.';
COMMENT ON COLUMN keypool.budget_status.period IS 'How often it begins anew.';
COMMENT ON COLUMN keypool.budget_status.action IS 'What happens at the limit.';
COMMENT ON COLUMN keypool.budget_status.limit_usd IS 'US dollars that may be spent in a period.';
COMMENT ON COLUMN keypool.budget_status.spent_usd IS
  'Spent in the running period. Requests of unknown cost count keypool.unknown_request_cost each.';
COMMENT ON COLUMN keypool.budget_status.reserved_usd IS
  'Held at this moment for requests under way.';
COMMENT ON COLUMN keypool.budget_status.left_usd IS 'What is neither spent nor reserved, 0 at least.';
COMMENT ON COLUMN keypool.budget_status.used_percent IS 'Share of the limit that is spent.';
COMMENT ON COLUMN keypool.budget_status.state IS
  'ok, warning (from keypool.cost_alert of the limit on) or spent.';
COMMENT ON COLUMN keypool.budget_status.period_start IS
  'Since when spending counts; -infinity: since ever.';
COMMENT ON COLUMN keypool.budget_status.period_end IS
  'When it begins anew; NULL where it never does, or moves along.';
COMMENT ON COLUMN keypool.budget_status.time_zone IS 'Time zone of its periods.';
COMMENT ON COLUMN keypool.budget_status.enabled IS 'Whether it applies.';

COMMENT ON VIEW keypool.budget_history IS
  'What budgets have spent in periods that are over, since their books were opened. Exact.';
COMMENT ON COLUMN keypool.budget_history.budget_id IS 'Id in keypool.budgets.';
COMMENT ON COLUMN keypool.budget_history.name IS 'Its name.';
COMMENT ON COLUMN keypool.budget_history.scope IS 'Whose spending it counts.';
COMMENT ON COLUMN keypool.budget_history.subject IS
  'The provider, organization, user, key id or model; empty where the scope names none.';
COMMENT ON COLUMN keypool.budget_history.period_start IS 'Start of the period.';
COMMENT ON COLUMN keypool.budget_history.period_end IS 'Its end, excluded.';
COMMENT ON COLUMN keypool.budget_history.limit_usd IS 'The limit as it is now.';
COMMENT ON COLUMN keypool.budget_history.spent_usd IS 'US dollars spent in it.';

COMMENT ON FUNCTION keypool.budget_period(text, interval, text, timestamptz) IS
  'The period of a budget that holds an instant, or the step of a rolling window.';
COMMENT ON FUNCTION keypool.budget_counts_from(text, interval, text, timestamptz) IS
  'Since when spending counts at an instant: the period''s start, or the oldest step of a rolling window.';
COMMENT ON FUNCTION keypool.unbooked_spending() IS
  'Internal: spending that the books do not hold yet, which the views add. An amount may come in parts.';
COMMENT ON FUNCTION keypool.guard_budget() IS
  'Trigger on keypool.budgets: checks what a budget is about.';
COMMENT ON FUNCTION keypool.budgets_changed() IS
  'Trigger on keypool.budgets: opens and closes the books, and marks the transaction.';
COMMENT ON FUNCTION keypool.has_unbooked_requests(regclass) IS
  'Internal: whether a partition has requests that the budgets'' books do not hold yet.';
