-- The limiter as it is now: every change of a counter is made by one of these functions, in one short transaction.
--
-- A migration creates the functions from its own frozen copy (migrations/0001_initial.sql). To change one, edit it here and add a
-- migration whose .sql file holds the changed functions; docs/decisions/0003-limits-in-postgresql.md has the steps. A test builds
-- both and compares them.
--
-- Locks are always taken in this order: providers_providerstate, providers_repouse, providers_budgetstate, providers_providercall. No
-- other lock of the product is taken while they are held, and none of them is held during a call. Tokens and nano-USD are integers throughout.
--
-- Each PL/pgSQL expression costs microseconds while a provider is locked. That is why the functions keep arithmetic inside
-- statements and test the common case with one expression.


-- function: provider_now
-- The only clock of the limiter. Tests replace this one function.
CREATE FUNCTION provider_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
  'SELECT clock_timestamp()';


-- function: provider_hour
-- The hour of a time, counted since 1970.
CREATE FUNCTION provider_hour(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT floor(extract(epoch FROM t) / 3600)::bigint';


-- function: provider_second
-- The second of a time, counted since 1970.
CREATE FUNCTION provider_second(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT floor(extract(epoch FROM t))::bigint';


-- function: provider_charged_tokens
-- The tokens that a call counts against the quota: what it used once settled, what it reserved while that is not known.
CREATE FUNCTION provider_charged_tokens(c providers_providercall) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE c.status
    WHEN 'released' THEN 0
    WHEN 'settled' THEN c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens
                        + c.output_tokens + c.reasoning_tokens
    ELSE c.reserved_tokens END
$$;


-- function: provider_charged_nano
-- The nano-USD that a call counts against the daily budget.
CREATE FUNCTION provider_charged_nano(c providers_providercall) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE c.status
    WHEN 'released' THEN 0
    WHEN 'settled' THEN c.cost_usd
    ELSE c.reserved_usd END * 1000000000)::bigint
$$;


-- function: provider_rebuild_counters
-- Computes the counters of one provider from the ledger: for a provider that was never called, after a repair, for the audit.
--
-- This and the two functions below read what is charged in the window once. Its upper bound has nothing to exclude: of a range
-- with two ends the planner expects few rows, and takes the index of calls by time; with one end it would read the whole ledger,
-- while the provider is locked.
CREATE FUNCTION provider_rebuild_counters(p_provider text) RETURNS void LANGUAGE plpgsql AS $$
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
CREATE FUNCTION provider_rebuild_budget() RETURNS void LANGUAGE plpgsql AS $$
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
CREATE FUNCTION provider_rebuild_repo(p_repo text) RETURNS void LANGUAGE plpgsql AS $$
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


-- function: provider_freeing_bucket
-- Which of the p_span buckets up to p_head must leave the window until p_excess is gone; the newest if all of them are not enough.
CREATE FUNCTION provider_freeing_bucket(p_buckets bigint[], p_head bigint, p_span int, p_excess bigint)
RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_bucket bigint := p_head - p_span + 1;
BEGIN
  LOOP
    p_excess := p_excess - p_buckets[v_bucket % p_span + 1];
    IF p_excess <= 0 OR v_bucket = p_head THEN
      RETURN v_bucket;
    END IF;
    v_bucket := v_bucket + 1;
  END LOOP;
END $$;


-- function: provider_expire_leases
-- Ends the leases that ran out. Each stays charged in full, as unknown spend, until a late settlement corrects it; its slot is
-- free again. The caller has the provider's lock.
CREATE FUNCTION provider_expire_leases(p_provider text, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_count int; v_tokens bigint; v_nano bigint;
BEGIN
  WITH expired AS (
    UPDATE providers_providercall c SET status = 'unknown', settled_at = p_now, cost_usd = reserved_usd,
        error_code = 'provider:lease-expired',
        error_message = 'The caller died or stalled; what the call used is not known.'
      WHERE provider = p_provider AND status = 'reserved' AND lease_until < p_now
      RETURNING reserved_tokens, provider_charged_nano(c) AS nano)
  SELECT count(*), sum(reserved_tokens), sum(nano) INTO v_count, v_tokens, v_nano FROM expired;
  IF v_count > 0 THEN
    UPDATE providers_providerstate SET inflight = inflight - v_count, reserved_tokens = reserved_tokens - v_tokens,
        reserved_nano = reserved_nano - v_nano
      WHERE provider = p_provider;
  END IF;
END $$;


-- function: provider_acquire
-- Reserves tokens, USD and a slot for one call, or says which dimension denies it. Without p_call it only says what would happen.
--
-- p_day_tokens to p_day_nano are the limits. p_pause_tokens: used tokens that open the quota breaker; 0: never. p_probe_refusals:
-- refusals in a row after which one call at a time finds out whether the provider takes calls again. p_repo_tokens and p_repo_nano:
-- what the repo may use in 24 hours at all providers together; NULL: as much as the others leave.
-- outcome: '' admitted, and the ledger row p_call exists; 'replay' p_stage has an answer to this request (answered_call); otherwise
-- the dimension that denied: repo_tokens_day repo_usd_day paused not_before breaker quota tokens_day tokens_minute requests_minute
-- concurrency usd_day.
-- until: when that dimension admits this call if nothing else comes. reservations_only: only open reservations are in the way,
-- and they may be settled at any moment. used: what the dimension has reached.
CREATE FUNCTION provider_acquire(
  p_call uuid, p_provider text, p_model text, p_tokens bigint, p_nano bigint, p_lease_seconds double precision,
  p_day_tokens bigint, p_minute_tokens bigint, p_minute_requests bigint, p_concurrency bigint, p_day_nano bigint,
  p_pause_tokens bigint, p_probe_refusals int, p_repo text, p_stage_kind text, p_flow text, p_stage bigint, p_attempt bigint,
  p_digest text, p_fallback_from text, p_repo_tokens bigint, p_repo_nano bigint,
  OUT outcome text, OUT until timestamptz, OUT reservations_only boolean, OUT used bigint, OUT answered_call uuid,
  OUT asked_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
  s providers_providerstate%ROWTYPE;
  b providers_budgetstate%ROWTYPE;
  u providers_repouse%ROWTYPE;
  v_now timestamptz; v_second bigint; v_hour bigint; k int; v_excess bigint; v_reserved bigint;
  v_until timestamptz; v_paid boolean; v_rolled boolean; v_excess_nano bigint; v_reserved_nano bigint;
  v_soon CONSTANT interval := '1 second';
BEGIN
  -- Step 1: a stage that asks the same again gets the stored answer. It was paid for.
  reservations_only := false;
  IF p_stage IS NOT NULL THEN
    SELECT id INTO answered_call FROM providers_providercall
      WHERE stage_id = p_stage AND request_digest = p_digest AND answer IS NOT NULL ORDER BY created_at LIMIT 1;
    IF FOUND THEN
      outcome := 'replay';
      RETURN;
    END IF;
  END IF;

  -- Step 2: lock the provider.
  SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM provider_rebuild_counters(p_provider);
    SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  END IF;
  -- The clock is read under the lock and never runs backwards: after a step back it waits in the newest second.
  v_now := greatest(provider_now(), to_timestamp(s.head_second));
  asked_at := v_now;
  v_second := provider_second(v_now);
  v_hour := v_second / 3600;

  -- Step 3: move the windows on to now; what leaves them is no longer charged.
  v_rolled := v_second > s.head_second;
  IF v_rolled THEN
    IF v_second >= s.head_second + 61 THEN
      s.second_tokens := array_fill(0::bigint, ARRAY[61]); s.minute_tokens := 0;
      s.second_requests := array_fill(0::bigint, ARRAY[61]); s.minute_requests := 0;
    ELSE
      FOR i IN 1 .. v_second - s.head_second LOOP
        k := (s.head_second + i) % 61 + 1;
        s.minute_tokens := s.minute_tokens - s.second_tokens[k]; s.second_tokens[k] := 0;
        s.minute_requests := s.minute_requests - s.second_requests[k]; s.second_requests[k] := 0;
      END LOOP;
    END IF;
    s.head_second := v_second;
    -- Once a second is often enough to look for leases that ran out.
    PERFORM provider_expire_leases(p_provider, v_now);
    SELECT p.inflight, p.reserved_tokens, p.reserved_nano INTO s.inflight, s.reserved_tokens, s.reserved_nano
      FROM providers_providerstate p WHERE p.provider = p_provider;
  END IF;
  IF v_hour > s.head_hour THEN
    IF v_hour >= s.head_hour + 25 THEN
      s.hour_tokens := array_fill(0::bigint, ARRAY[25]); s.day_tokens := 0;
    ELSE
      FOR i IN 1 .. v_hour - s.head_hour LOOP
        k := (s.head_hour + i) % 25 + 1;
        s.day_tokens := s.day_tokens - s.hour_tokens[k]; s.hour_tokens[k] := 0;
      END LOOP;
    END IF;
    s.head_hour := v_hour;
  END IF;

  -- Step 4: the repo's own budget. It is asked before the provider, because a repo that has used its share must not wait in a
  -- provider's line, where others would wait behind it.
  outcome := '';
  IF p_repo <> '' THEN
    SELECT * INTO u FROM providers_repouse WHERE repo = p_repo FOR UPDATE;
    IF NOT FOUND THEN
      PERFORM provider_rebuild_repo(p_repo);
      SELECT * INTO u FROM providers_repouse WHERE repo = p_repo FOR UPDATE;
    END IF;
    -- The clock of a call to another provider may be a moment ahead of this one.
    IF v_hour > u.head_hour THEN
      FOR i IN 1 .. least(v_hour - u.head_hour, 25) LOOP
        k := (u.head_hour + i) % 25 + 1;
        u.day_tokens := u.day_tokens - u.hour_tokens[k]; u.hour_tokens[k] := 0;
        u.day_nano := u.day_nano - u.hour_nano[k]; u.hour_nano[k] := 0;
      END LOOP;
      u.head_hour := v_hour;
    END IF;
    IF u.day_tokens + p_tokens > p_repo_tokens OR u.day_nano + p_nano > p_repo_nano THEN
      v_excess := u.day_tokens + p_tokens - p_repo_tokens;
      v_excess_nano := u.day_nano + p_nano - p_repo_nano;
      -- What the repo's calls under way hold comes back earlier, when they end.
      SELECT coalesce(sum(reserved_tokens), 0), coalesce(sum(provider_charged_nano(c)), 0)
        INTO v_reserved, v_reserved_nano
        FROM providers_providercall c WHERE repo = p_repo AND status = 'reserved';
      reservations_only := coalesce(v_excess <= v_reserved, true) AND coalesce(v_excess_nano <= v_reserved_nano, true);
      until := v_now + v_soon;
      -- Of the two the one that lasts longer is what the repo waits for.
      IF v_excess > 0 THEN
        outcome := 'repo_tokens_day'; used := u.day_tokens;
        IF v_excess > v_reserved THEN
          until := to_timestamp((provider_freeing_bucket(u.hour_tokens, u.head_hour, 25, v_excess) + 25) * 3600);
        END IF;
      END IF;
      IF v_excess_nano > 0 THEN
        v_until := v_now + v_soon;
        IF v_excess_nano > v_reserved_nano THEN
          v_until := to_timestamp((provider_freeing_bucket(u.hour_nano, u.head_hour, 25, v_excess_nano) + 25) * 3600);
        END IF;
        IF outcome = '' OR v_until > until THEN
          outcome := 'repo_usd_day'; used := u.day_nano; until := v_until;
        END IF;
      END IF;
      PERFORM set_config('synchronous_commit', 'off', true);
      RETURN;
    END IF;
  END IF;

  -- Step 5: does a limit or state of the provider itself deny the call? One expression answers the common case: nothing does.
  IF s.paused OR s.not_before > v_now OR s.throttles >= p_probe_refusals OR s.breaker = 'open' OR s.day_tokens + p_tokens > p_day_tokens
    OR s.minute_tokens + p_tokens > p_minute_tokens OR s.minute_requests >= p_minute_requests
    OR s.inflight >= p_concurrency OR (p_pause_tokens > 0 AND s.day_tokens - s.reserved_tokens >= p_pause_tokens)
  THEN
    -- An operator, the provider itself or the health breaker denies everything; the sizes do not matter then.
    IF s.paused THEN
      outcome := 'paused'; until := v_now + interval '1 minute';
    ELSIF s.not_before > v_now THEN
      outcome := 'not_before'; until := s.not_before;
    ELSIF s.throttles >= p_probe_refusals AND s.probe_until > v_now THEN
      -- After so many refusals in a row one call finds out whether the provider takes calls again.
      outcome := 'not_before'; reservations_only := true; until := v_now + v_soon;
    ELSIF s.breaker = 'open' AND s.open_until > v_now THEN
      outcome := 'breaker'; until := s.open_until;
    ELSIF s.breaker = 'open' AND s.probe_until > v_now THEN
      -- Half-open: one probe is under way, and its end decides.
      outcome := 'breaker'; reservations_only := true; until := v_now + v_soon;
    END IF;

    -- Each dimension that is too full says when enough of its old buckets have left the window; the latest one counts.
    IF outcome = '' AND p_pause_tokens > 0 AND s.day_tokens - s.reserved_tokens >= p_pause_tokens THEN
      v_excess := s.day_tokens - s.reserved_tokens - p_pause_tokens + 1;
      outcome := 'quota'; used := s.day_tokens - s.reserved_tokens;
      until := to_timestamp((provider_freeing_bucket(s.hour_tokens, v_hour, 25, v_excess) + 25) * 3600);
    END IF;
    IF outcome IN ('', 'quota') THEN
      IF s.day_tokens + p_tokens > p_day_tokens THEN
        v_excess := s.day_tokens + p_tokens - p_day_tokens;
        IF v_excess <= s.reserved_tokens THEN
          v_until := v_now + v_soon;
        ELSE
          v_until := to_timestamp((provider_freeing_bucket(s.hour_tokens, v_hour, 25, v_excess) + 25) * 3600);
        END IF;
        IF until IS NULL OR v_until > until THEN
          outcome := 'tokens_day'; until := v_until; used := s.day_tokens;
          reservations_only := v_excess <= s.reserved_tokens;
        END IF;
      END IF;
      IF s.minute_tokens + p_tokens > p_minute_tokens THEN
        v_excess := s.minute_tokens + p_tokens - p_minute_tokens;
        v_until := to_timestamp(provider_freeing_bucket(s.second_tokens, v_second, 61, v_excess) + 61);
        IF until IS NULL OR v_until > until THEN
          outcome := 'tokens_minute'; until := v_until; used := s.minute_tokens; reservations_only := false;
        END IF;
      END IF;
      IF s.minute_requests + 1 > p_minute_requests THEN
        v_excess := s.minute_requests + 1 - p_minute_requests;
        v_until := to_timestamp(provider_freeing_bucket(s.second_requests, v_second, 61, v_excess) + 61);
        IF until IS NULL OR v_until > until THEN
          outcome := 'requests_minute'; until := v_until; used := s.minute_requests; reservations_only := false;
        END IF;
      END IF;
      IF s.inflight + 1 > p_concurrency AND until IS NULL THEN
        outcome := 'concurrency'; until := v_now + v_soon; used := s.inflight; reservations_only := true;
      END IF;
    END IF;
  END IF;

  -- Step 6: the daily budget, which all providers share. The common case is one UPDATE that also checks.
  v_paid := false;
  IF outcome = '' AND p_call IS NOT NULL THEN
    UPDATE providers_budgetstate SET
        hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + p_nano, day_nano = day_nano + p_nano
      WHERE id = 1 AND head_hour = v_hour AND day_nano + p_nano <= p_day_nano;
    v_paid := FOUND;
  END IF;
  -- It changed nothing: the budget is used up, its newest hour is another one, or its row does not exist yet. A denial that may end
  -- at any moment looks here too, because a budget that is used up would deny for longer.
  IF NOT v_paid AND (outcome IN ('', 'concurrency') OR reservations_only) THEN
    SELECT * INTO b FROM providers_budgetstate WHERE id = 1 FOR UPDATE;
    IF NOT FOUND THEN
      PERFORM provider_rebuild_budget();
      SELECT * INTO b FROM providers_budgetstate WHERE id = 1 FOR UPDATE;
    END IF;
    -- Another provider's clock under its own lock may be a moment ahead of this one.
    IF v_hour > b.head_hour THEN
      FOR i IN 1 .. least(v_hour - b.head_hour, 25) LOOP
        k := (b.head_hour + i) % 25 + 1;
        b.day_nano := b.day_nano - b.hour_nano[k]; b.hour_nano[k] := 0;
      END LOOP;
      b.head_hour := v_hour;
    END IF;
    IF b.day_nano + p_nano > p_day_nano THEN
      v_excess := b.day_nano + p_nano - p_day_nano;
      SELECT sum(reserved_nano) INTO v_reserved FROM providers_providerstate;
      outcome := 'usd_day'; used := b.day_nano; reservations_only := v_excess <= v_reserved;
      IF reservations_only THEN
        until := v_now + v_soon;
      ELSE
        until := to_timestamp((provider_freeing_bucket(b.hour_nano, b.head_hour, 25, v_excess) + 25) * 3600);
      END IF;
    END IF;
  END IF;

  IF outcome <> '' OR p_call IS NULL THEN
    -- Nothing that must survive was written: a refusal need not wait for the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN;
  END IF;

  -- Step 7: admitted. Charge the repo, the budget, the windows and the open leases, and write the ledger row.
  IF p_repo <> '' THEN
    -- Into the hour of the lease, although the repo's newest hour may be the next one already.
    k := v_hour % 25 + 1;
    u.hour_tokens[k] := u.hour_tokens[k] + p_tokens; u.hour_nano[k] := u.hour_nano[k] + p_nano;
    UPDATE providers_repouse SET head_hour = u.head_hour, hour_tokens = u.hour_tokens,
        day_tokens = u.day_tokens + p_tokens, hour_nano = u.hour_nano, day_nano = u.day_nano + p_nano
      WHERE repo = p_repo;
  END IF;
  IF NOT v_paid THEN
    -- Into the hour of the lease, although the budget's newest hour may be the next one already.
    k := s.head_hour % 25 + 1;
    b.hour_nano[k] := b.hour_nano[k] + p_nano;
    UPDATE providers_budgetstate SET head_hour = b.head_hour, hour_nano = b.hour_nano, day_nano = b.day_nano + p_nano
      WHERE id = 1;
  END IF;
  IF s.breaker = 'open' OR s.throttles >= p_probe_refusals THEN
    -- Half-open or refused before, and no probe is under way: this call is the probe.
    s.probe_call := p_call; s.probe_until := v_now + make_interval(secs => p_lease_seconds);
  END IF;
  -- The arrays are written as a whole only when the windows have moved on; otherwise one element of each changes.
  IF v_rolled THEN
    UPDATE providers_providerstate SET head_hour = s.head_hour, hour_tokens = s.hour_tokens, head_second = s.head_second,
        second_tokens = s.second_tokens, second_requests = s.second_requests WHERE provider = p_provider;
  END IF;
  UPDATE providers_providerstate SET
      hour_tokens[v_hour % 25 + 1] = hour_tokens[v_hour % 25 + 1] + p_tokens, day_tokens = s.day_tokens + p_tokens,
      second_tokens[v_second % 61 + 1] = second_tokens[v_second % 61 + 1] + p_tokens,
      minute_tokens = s.minute_tokens + p_tokens,
      second_requests[v_second % 61 + 1] = second_requests[v_second % 61 + 1] + 1,
      minute_requests = s.minute_requests + 1, reserved_tokens = s.reserved_tokens + p_tokens,
      reserved_nano = s.reserved_nano + p_nano, inflight = s.inflight + 1,
      probe_call = s.probe_call, probe_until = s.probe_until
    WHERE provider = p_provider;
  INSERT INTO providers_providercall (id, provider, model, repo, stage_kind, flow_id, stage_id, attempt_id, fallback_from,
      request_digest, reserved_tokens, reserved_usd, created_at, lease_until)
    VALUES (p_call, p_provider, p_model, p_repo, p_stage_kind, p_flow, p_stage, p_attempt, p_fallback_from,
      p_digest, p_tokens, p_nano / 1000000000.0, v_now, v_now + make_interval(secs => p_lease_seconds));
END $$;


-- function: provider_acquire_durably
-- provider_acquire, and the reservation is on the disk when it returns. It commits, so it cannot be called in a transaction.
--
-- The locks are taken with asynchronous commit, so that nobody waits for the disk while a provider is locked. Then an admitted call
-- waits for the log to be flushed, together with every other caller that waits: one flush serves them all.
CREATE PROCEDURE provider_acquire_durably(
  p_call uuid, p_provider text, p_model text, p_tokens bigint, p_nano bigint, p_lease_seconds double precision,
  p_day_tokens bigint, p_minute_tokens bigint, p_minute_requests bigint, p_concurrency bigint, p_day_nano bigint,
  p_pause_tokens bigint, p_probe_refusals int, p_repo text, p_stage_kind text, p_flow text, p_stage bigint, p_attempt bigint,
  p_digest text, p_fallback_from text, p_repo_tokens bigint, p_repo_nano bigint,
  INOUT outcome text, INOUT until timestamptz, INOUT reservations_only boolean, INOUT used bigint, INOUT answered_call uuid,
  INOUT asked_at timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO outcome, until, reservations_only, used, answered_call, asked_at
    FROM provider_acquire(p_call, p_provider, p_model, p_tokens, p_nano, p_lease_seconds, p_day_tokens, p_minute_tokens,
      p_minute_requests, p_concurrency, p_day_nano, p_pause_tokens, p_probe_refusals, p_repo, p_stage_kind, p_flow, p_stage,
      p_attempt, p_digest, p_fallback_from, p_repo_tokens, p_repo_nano);
  COMMIT;  -- the locks are free from here on
  IF outcome = '' THEN
    -- An empty message in the log of a transaction that commits synchronously: its flush takes the reservation along.
    PERFORM pg_logical_emit_message(true, 'provider', '');
  END IF;
END $$;


-- function: provider_record_health
-- Records what the end of a call says about the provider: its breaker, its failures, the pause that it asks for.
--
-- p_health: 1 the provider is well, -1 it failed, 0 says nothing. p_pause_seconds: the provider asks everybody to wait, for so long
-- at least; -1 if it names no time; NULL if it does not ask. p_message: its words. p_opening_score to p_longest_pause are the breaker's
-- policy: the score that opens it, the points of a failure, the first and the longest pause in seconds. The caller has the
-- provider's lock.
CREATE FUNCTION provider_record_health(
  p_provider text, p_call uuid, p_now timestamptz, p_error_code text, p_health int, p_pause_seconds double precision,
  p_opening_score int, p_failure_points int, p_first_pause int, p_longest_pause int, p_message text DEFAULT ''
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s providers_providerstate%ROWTYPE; v_wait double precision;
BEGIN
  SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;

  -- The provider asks everybody to wait. Each refusal in a row doubles the pause from a second up to an hour, regardless of what it
  -- names. Calls that left before the pause began are refused too; together they are one refusal, so they only make a named wait
  -- longer.
  IF p_pause_seconds IS NOT NULL THEN
    v_wait := greatest(p_pause_seconds, 0);
    IF s.not_before IS NULL OR s.not_before <= p_now THEN
      v_wait := greatest(v_wait, least(power(2, least(s.throttles, 20)), 3600));
      s.throttles := least(s.throttles + 1, 100);
    END IF;
    -- No pause is longer than a month, also where NaN or infinity came through: every reader has to understand the time.
    s.not_before := greatest(s.not_before, p_now + make_interval(secs => least(v_wait, 2764800)));
    -- An account without money is told to the operators once, when it begins.
    IF p_error_code = 'provider:account-exhausted' AND s.wait_code <> p_error_code THEN
      INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
        VALUES (p_provider, 'exhausted', 'provider', left(p_message, 500), p_now);
    END IF;
    s.wait_code := p_error_code; s.wait_reason := left(p_message, 500);
  END IF;

  IF p_health > 0 THEN
    -- An answer takes one point off; the answer to the probe closes the breaker.
    s.failure_score := greatest(s.failure_score - 1, 0);
    IF s.wait_code = 'provider:account-exhausted' THEN
      INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
        VALUES (p_provider, 'resumed', 'provider', 'The provider answers this account again.', p_now);
    END IF;
    s.throttles := 0; s.wait_code := ''; s.wait_reason := '';
    IF s.breaker = 'open' AND s.probe_call = p_call THEN
      s.breaker := 'closed'; s.failure_score := 0; s.openings := 0; s.open_until := NULL;
      INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
        VALUES (p_provider, 'closed', 'breaker', 'The probe was answered.', p_now);
    END IF;
  ELSIF p_health < 0 THEN
    -- A failure adds points to those of the last minute. Enough of them, or a probe that fails, open the breaker.
    IF s.failed_at < p_now - interval '1 minute' THEN
      s.failure_score := 0;
    END IF;
    s.failure_score := least(s.failure_score + p_failure_points, 1000);
    s.failed_at := p_now;
    IF (s.breaker = 'closed' AND s.failure_score >= p_opening_score) OR (s.breaker = 'open' AND s.probe_call = p_call) THEN
      v_wait := least(p_first_pause * power(2, least(s.openings, 20)), p_longest_pause);
      IF s.breaker = 'closed' THEN
        INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
          VALUES (p_provider, 'opened', 'breaker', 'Calls fail; the last one with ' || p_error_code || '.', p_now);
      END IF;
      s.breaker := 'open'; s.openings := least(s.openings + 1, 100);
      s.open_until := p_now + make_interval(secs => v_wait);
    END IF;
  END IF;

  -- However the probe ended, the next call may be one.
  IF s.probe_call = p_call THEN
    s.probe_call := NULL; s.probe_until := NULL;
  END IF;
  UPDATE providers_providerstate SET not_before = s.not_before, throttles = s.throttles, wait_code = s.wait_code,
      wait_reason = s.wait_reason, breaker = s.breaker,
      failure_score = s.failure_score, failed_at = s.failed_at, openings = s.openings, open_until = s.open_until,
      probe_call = s.probe_call, probe_until = s.probe_until
    WHERE provider = p_provider;
END $$;


-- function: provider_settle
-- Ends a reservation. False: the call is not known or was settled or released before, and nothing has changed.
--
-- p_status: settled (p_tokens, p_usd and p_price say what was used), released (nothing was used), unknown (it stays charged in
-- full). p_tokens: input, cache read, 5-minute cache write, 1-hour cache write, output, reasoning; empty unless settled.
-- p_response and p_answer: what the provider said, kept with the call; NULL leaves what is stored. p_usage_source: where the tokens
-- come from. p_answered_by: the model that answered. p_health, p_pause_seconds and the policy: as for provider_record_health.
--
-- It does not wait for the disk: the answer was stored durably before it, everything that is committed later is behind it in the
-- log, and if it is lost together with its counters, the lease runs out and stays charged.
CREATE FUNCTION provider_settle(
  p_call uuid, p_provider text, p_status text, p_tokens bigint[], p_usd numeric, p_price jsonb, p_error_code text,
  p_error_message text, p_latency_ms int, p_health int, p_pause_seconds double precision, p_opening_score int,
  p_failure_points int, p_first_pause int, p_longest_pause int, p_response jsonb, p_answer jsonb,
  p_usage_source text DEFAULT 'reported', p_answered_by text DEFAULT ''
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_ill boolean; v_provider text; v_repo text; v_created timestamptz; v_second bigint; v_hour bigint; v_tokens bigint; v_nano bigint;
  v_free_calls int; v_free_tokens bigint; v_free_nano bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);

  -- Step 1: lock the provider, and see whether its health needs to be looked at: most of the time it does not.
  SELECT breaker = 'open' OR failure_score > 0 OR throttles > 0 OR probe_call IS NOT NULL INTO v_ill
    FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM provider_rebuild_counters(p_provider);
  END IF;

  -- Step 2: read the call, and by how much its charge changes. A call's status changes only under the provider's lock, so what
  -- is read here is final. It is looked up by its id only: while the table has no statistics, a plan might look for the provider
  -- instead, and PostgreSQL would keep that plan.
  SELECT provider, repo, created_at, provider_second(created_at), provider_second(created_at) / 3600,
      CASE p_status
        WHEN 'settled' THEN p_tokens[1] + p_tokens[2] + p_tokens[3] + p_tokens[4] + p_tokens[5] + p_tokens[6]
                            - reserved_tokens
        WHEN 'released' THEN -reserved_tokens
        ELSE 0 END,
      (CASE p_status
        WHEN 'settled' THEN p_usd - reserved_usd
        WHEN 'released' THEN -reserved_usd
        ELSE 0 END * 1000000000)::bigint,
      CASE status WHEN 'reserved' THEN 1 ELSE 0 END,
      CASE status WHEN 'reserved' THEN reserved_tokens ELSE 0 END,
      CASE status WHEN 'reserved' THEN (reserved_usd * 1000000000)::bigint ELSE 0 END
    INTO v_provider, v_repo, v_created, v_second, v_hour, v_tokens, v_nano, v_free_calls, v_free_tokens, v_free_nano
    FROM providers_providercall
    WHERE id = p_call AND status NOT IN ('settled', 'released') AND status <> p_status;
  IF NOT FOUND OR v_provider <> p_provider THEN
    RETURN false;
  END IF;

  -- Step 3: the ledger.
  UPDATE providers_providercall SET status = p_status, settled_at = greatest(provider_now(), created_at),
      input_tokens = coalesce(p_tokens[1], 0), cache_read_tokens = coalesce(p_tokens[2], 0),
      cache_write_5m_tokens = coalesce(p_tokens[3], 0), cache_write_1h_tokens = coalesce(p_tokens[4], 0),
      output_tokens = coalesce(p_tokens[5], 0), reasoning_tokens = coalesce(p_tokens[6], 0),
      cost_usd = CASE p_status WHEN 'settled' THEN p_usd WHEN 'unknown' THEN reserved_usd ELSE 0 END,
      price = p_price, error_code = p_error_code, error_message = p_error_message, latency_ms = p_latency_ms,
      response = coalesce(p_response, response), answer = coalesce(p_answer, answer),
      usage_source = p_usage_source, answered_by = p_answered_by
    WHERE id = p_call;

  -- Step 4: the repo, the budget and the windows, in the hour and the second of the lease, where they are still in the window.
  IF v_repo <> '' AND (v_tokens <> 0 OR v_nano <> 0) THEN
    UPDATE providers_repouse SET
        hour_tokens[v_hour % 25 + 1] = hour_tokens[v_hour % 25 + 1] + v_tokens, day_tokens = day_tokens + v_tokens,
        hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + v_nano, day_nano = day_nano + v_nano
      WHERE repo = v_repo AND v_hour BETWEEN head_hour - 24 AND head_hour;
  END IF;
  IF v_nano <> 0 THEN
    UPDATE providers_budgetstate SET
        hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + v_nano, day_nano = day_nano + v_nano
      WHERE id = 1 AND v_hour BETWEEN head_hour - 24 AND head_hour;
  END IF;
  UPDATE providers_providerstate SET
      hour_tokens[v_hour % 25 + 1] = hour_tokens[v_hour % 25 + 1]
        + CASE WHEN v_hour BETWEEN head_hour - 24 AND head_hour THEN v_tokens ELSE 0 END,
      day_tokens = day_tokens + CASE WHEN v_hour BETWEEN head_hour - 24 AND head_hour THEN v_tokens ELSE 0 END,
      second_tokens[v_second % 61 + 1] = second_tokens[v_second % 61 + 1]
        + CASE WHEN v_second BETWEEN head_second - 60 AND head_second THEN v_tokens ELSE 0 END,
      minute_tokens = minute_tokens
        + CASE WHEN v_second BETWEEN head_second - 60 AND head_second THEN v_tokens ELSE 0 END,
      inflight = inflight - v_free_calls, reserved_tokens = reserved_tokens - v_free_tokens,
      reserved_nano = reserved_nano - v_free_nano
    WHERE provider = p_provider;

  -- Step 5: the provider's health, where there is something to record.
  IF p_health < 0 OR p_pause_seconds IS NOT NULL OR v_ill THEN
    PERFORM provider_record_health(p_provider, p_call, greatest(provider_now(), v_created), p_error_code, p_health,
      p_pause_seconds, p_opening_score, p_failure_points, p_first_pause, p_longest_pause, p_error_message);
  END IF;
  RETURN true;
END $$;


-- function: provider_lower_charge
-- Lowers what an open or unknown call is charged to what was counted. False: nothing is lower, or the call has ended otherwise.
--
-- The bytes of a request bound its tokens before it leaves, and are several times as many. Once the provider's own counter has told
-- the tokens, the difference is given back, in the hour and the second of the lease. It does not wait for the disk: where it is
-- lost, the call is charged more.
CREATE FUNCTION provider_lower_charge(
  p_call uuid, p_provider text, p_tokens bigint, p_nano bigint, p_usage_source text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  c providers_providercall%ROWTYPE; v_second bigint; v_hour bigint; v_tokens bigint; v_nano bigint; v_open boolean;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);

  -- Step 1: lock the provider; a call's status changes only under this lock.
  PERFORM 1 FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  SELECT * INTO c FROM providers_providercall
    WHERE id = p_call AND provider = p_provider AND status IN ('reserved', 'unknown') AND reserved_tokens > p_tokens;
  IF NOT FOUND OR p_tokens < 0 OR p_nano < 0 THEN
    RETURN false;
  END IF;
  v_open := c.status = 'reserved';
  v_second := provider_second(c.created_at);
  v_hour := v_second / 3600;
  v_tokens := p_tokens - c.reserved_tokens;
  v_nano := least(p_nano - (c.reserved_usd * 1000000000)::bigint, 0);

  -- Step 2: the ledger.
  UPDATE providers_providercall SET reserved_tokens = p_tokens, reserved_usd = reserved_usd + v_nano / 1000000000.0,
      cost_usd = CASE WHEN v_open THEN cost_usd ELSE reserved_usd + v_nano / 1000000000.0 END, usage_source = p_usage_source
    WHERE id = p_call;

  -- Step 3: the repo, the budget and the windows, where they still hold the call.
  UPDATE providers_repouse SET
      hour_tokens[v_hour % 25 + 1] = hour_tokens[v_hour % 25 + 1] + v_tokens, day_tokens = day_tokens + v_tokens,
      hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + v_nano, day_nano = day_nano + v_nano
    WHERE repo = c.repo AND v_hour BETWEEN head_hour - 24 AND head_hour;
  UPDATE providers_budgetstate SET
      hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + v_nano, day_nano = day_nano + v_nano
    WHERE id = 1 AND v_hour BETWEEN head_hour - 24 AND head_hour;
  UPDATE providers_providerstate SET
      hour_tokens[v_hour % 25 + 1] = hour_tokens[v_hour % 25 + 1]
        + CASE WHEN v_hour BETWEEN head_hour - 24 AND head_hour THEN v_tokens ELSE 0 END,
      day_tokens = day_tokens + CASE WHEN v_hour BETWEEN head_hour - 24 AND head_hour THEN v_tokens ELSE 0 END,
      second_tokens[v_second % 61 + 1] = second_tokens[v_second % 61 + 1]
        + CASE WHEN v_second BETWEEN head_second - 60 AND head_second THEN v_tokens ELSE 0 END,
      minute_tokens = minute_tokens
        + CASE WHEN v_second BETWEEN head_second - 60 AND head_second THEN v_tokens ELSE 0 END,
      reserved_tokens = reserved_tokens + CASE WHEN v_open THEN v_tokens ELSE 0 END,
      reserved_nano = reserved_nano + CASE WHEN v_open THEN v_nano ELSE 0 END
    WHERE provider = p_provider;
  RETURN true;
END $$;


-- storage: counters
-- The counters' rows are rewritten by every call: room in the page keeps those updates in place (HOT), without index work.
ALTER TABLE providers_providerstate
  SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE providers_budgetstate
  SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE providers_repouse
  SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);


-- trigger: providers_providerstate_is_audited
-- A provider that a person pauses or resumes is in the audit trail (core/sql/triggers.sql). The limiter's
-- statements never name this column, so they cost nothing more.
CREATE TRIGGER providers_providerstate_is_audited AFTER UPDATE OF paused ON providers_providerstate
  FOR EACH ROW WHEN (NEW.paused <> OLD.paused)
  EXECUTE FUNCTION core_audit_change('provider', '{}', '{paused,pause_reason}');
