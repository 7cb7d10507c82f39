-- The functions that compute counters from the ledger, which read its last day by an index.

-- function: provider_rebuild_counters
-- Computes the counters of one provider from the ledger: for a provider that was never called, after a repair, for the audit.
--
-- This and the two functions below read what is charged in the window once. Its upper bound has nothing to exclude: of a range
-- with two ends the planner expects few rows, and takes the index of calls by time; with one end it would read the whole ledger,
-- while the provider is locked.
CREATE OR REPLACE FUNCTION provider_rebuild_counters(p_provider text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_hour bigint; v_second bigint;
BEGIN
  -- The row exists afterwards, and this transaction has its lock.
  INSERT INTO providers_providerstate (provider) VALUES (p_provider) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;

  -- After a clock that ran ahead, calls of the future still count: the window ends with the newest of them.
  SELECT greatest(provider_hour(provider_now()), provider_hour(max(created_at))),
         greatest(provider_second(provider_now()), provider_second(max(created_at)))
    INTO v_hour, v_second FROM providers_providercall WHERE provider = p_provider;

  UPDATE providers_providerstate s SET
      head_hour = v_hour, hour_tokens = h.tokens, day_tokens = h.total,
      head_second = v_second, second_tokens = m.tokens, minute_tokens = m.total,
      second_requests = m.requests, minute_requests = m.count,
      reserved_tokens = o.tokens, reserved_nano = o.nano, inflight = o.count
    FROM
      -- One bucket for each of the last 25 hours, also for those without a call.
      (SELECT array_agg(coalesce(used.tokens, 0) ORDER BY b % 25) AS tokens, coalesce(sum(used.tokens), 0)::bigint AS total
         FROM generate_series(v_hour - 24, v_hour) b
         LEFT JOIN (
           SELECT provider_hour(created_at) AS hour, sum(provider_charged_tokens(c))::bigint AS tokens
             FROM providers_providercall c
            WHERE provider = p_provider AND created_at >= to_timestamp((v_hour - 24) * 3600)
              AND created_at < to_timestamp((v_hour + 1) * 3600)
            GROUP BY 1) used ON used.hour = b) h,
      -- The same for each of the last 61 seconds.
      (SELECT array_agg(coalesce(used.tokens, 0) ORDER BY b % 61) AS tokens, coalesce(sum(used.tokens), 0)::bigint AS total,
              array_agg(coalesce(used.calls, 0) ORDER BY b % 61) AS requests, coalesce(sum(used.calls), 0)::bigint AS count
         FROM generate_series(v_second - 60, v_second) b
         LEFT JOIN (
           SELECT provider_second(created_at) AS second, sum(provider_charged_tokens(c))::bigint AS tokens, count(*) AS calls
             FROM providers_providercall c
            WHERE provider = p_provider AND created_at >= to_timestamp(v_second - 60)
              AND created_at < to_timestamp(v_second + 1)
            GROUP BY 1) used ON used.second = b) m,
      -- What open leases hold.
      (SELECT coalesce(sum(reserved_tokens), 0)::bigint AS tokens,
              coalesce(sum(provider_charged_nano(c)), 0)::bigint AS nano, count(*)::int AS count
         FROM providers_providercall c WHERE provider = p_provider AND status = 'reserved') o
    WHERE s.provider = p_provider;
END $$;


-- function: provider_rebuild_budget
-- Computes the daily budget's counters from the ledger of all providers.
CREATE OR REPLACE FUNCTION provider_rebuild_budget() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_hour bigint;
BEGIN
  -- The row exists afterwards, and this transaction has its lock.
  INSERT INTO providers_budgetstate (id) VALUES (1) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM providers_budgetstate WHERE id = 1 FOR UPDATE;

  -- As above: calls of the future still count.
  SELECT greatest(provider_hour(provider_now()), provider_hour(max(created_at))) INTO v_hour FROM providers_providercall;

  UPDATE providers_budgetstate SET head_hour = v_hour, hour_nano = h.nano, day_nano = h.total FROM
    (SELECT array_agg(coalesce(used.nano, 0) ORDER BY b % 25) AS nano, coalesce(sum(used.nano), 0)::bigint AS total
       FROM generate_series(v_hour - 24, v_hour) b
       LEFT JOIN (
         SELECT provider_hour(created_at) AS hour, sum(provider_charged_nano(c))::bigint AS nano
           FROM providers_providercall c
          WHERE created_at >= to_timestamp((v_hour - 24) * 3600) AND created_at < to_timestamp((v_hour + 1) * 3600)
          GROUP BY 1) used ON used.hour = b) h
   WHERE id = 1;
END $$;


-- function: provider_rebuild_repo
-- Computes what one repo has used, at all providers, from the ledger: for a repo that never called, after a repair.
CREATE OR REPLACE FUNCTION provider_rebuild_repo(p_repo text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_hour bigint;
BEGIN
  -- The row exists afterwards, and this transaction has its lock.
  INSERT INTO providers_repouse (repo) VALUES (p_repo) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM providers_repouse WHERE repo = p_repo FOR UPDATE;

  -- As above: calls of the future still count. Only those of the last day are looked at: no index begins with the repo, and what
  -- is older ends no window.
  v_hour := provider_hour(provider_now());
  SELECT greatest(v_hour, provider_hour(max(created_at))) INTO v_hour FROM providers_providercall
    WHERE created_at >= to_timestamp((v_hour - 24) * 3600) AND created_at < 'infinity' AND repo = p_repo;

  UPDATE providers_repouse SET head_hour = v_hour, hour_tokens = h.tokens, day_tokens = h.token_total,
      hour_nano = h.nano, day_nano = h.nano_total
    FROM (SELECT array_agg(coalesce(used.tokens, 0) ORDER BY b % 25) AS tokens,
                 coalesce(sum(used.tokens), 0)::bigint AS token_total,
                 array_agg(coalesce(used.nano, 0) ORDER BY b % 25) AS nano,
                 coalesce(sum(used.nano), 0)::bigint AS nano_total
            FROM generate_series(v_hour - 24, v_hour) b
            LEFT JOIN (
              SELECT provider_hour(created_at) AS hour, sum(provider_charged_tokens(c))::bigint AS tokens,
                     sum(provider_charged_nano(c))::bigint AS nano
                FROM providers_providercall c
               WHERE created_at >= to_timestamp((v_hour - 24) * 3600) AND created_at < to_timestamp((v_hour + 1) * 3600)
                 AND repo = p_repo
               GROUP BY 1) used ON used.hour = b) h
   WHERE repo = p_repo;
END $$;
