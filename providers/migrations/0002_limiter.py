"""The limiter: every change of a counter is one of these functions, and each is one short transaction.

Locks are always taken in this order: provider_state, budget_state, provider_call. Nothing else of ours is locked while they
are held, and none of them is held during a call. ``provider_now`` is the only clock; a test replaces that one function.
Tokens and nano-USD are integers throughout.
"""

from django.db import migrations

CLOCK = """
CREATE FUNCTION provider_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()';
"""

# Counters from the ledger: for a provider that was never called, after a repair, and for the audit.
REBUILD = """
CREATE FUNCTION provider_charge(c providers_providercall) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE c.status
    WHEN 'released' THEN 0
    WHEN 'settled' THEN c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens
                        + c.output_tokens + c.reasoning_tokens
    ELSE c.reserved_tokens END
$$;

CREATE FUNCTION provider_charge_nano(c providers_providercall) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE c.status WHEN 'released' THEN 0 WHEN 'settled' THEN c.cost_usd ELSE c.reserved_usd END * 1000000000)::bigint
$$;

CREATE FUNCTION provider_hour(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT floor(extract(epoch FROM t) / 3600)::bigint';
CREATE FUNCTION provider_second(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT floor(extract(epoch FROM t))::bigint';

CREATE FUNCTION provider_rebuild(p_provider text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_hour bigint; v_second bigint;
BEGIN
  INSERT INTO providers_providerstate (provider, head_hour, hour_tokens, day_tokens, head_second, second_tokens,
      minute_tokens, second_requests, minute_requests, reserved_tokens, reserved_nano, inflight, throttles, breaker,
      failure_score, openings, paused, pause_reason)
    VALUES (p_provider, 0, array_fill(0::bigint, ARRAY[25]), 0, 0, array_fill(0::bigint, ARRAY[61]), 0,
      array_fill(0::bigint, ARRAY[61]), 0, 0, 0, 0, 0, 'closed', 0, 0, false, '')
    ON CONFLICT DO NOTHING;
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
      (SELECT array_agg(t ORDER BY k) AS tokens, sum(t)::bigint AS total FROM (
         SELECT b % 25 AS k, coalesce(sum(provider_charge(c)), 0)::bigint AS t
           FROM generate_series(v_hour - 24, v_hour) b
           LEFT JOIN providers_providercall c ON c.provider = p_provider AND provider_hour(c.created_at) = b
             AND c.created_at >= to_timestamp((v_hour - 24) * 3600)
          GROUP BY b) x) h,
      (SELECT array_agg(t ORDER BY k) AS tokens, sum(t)::bigint AS total,
              array_agg(n ORDER BY k) AS requests, sum(n)::bigint AS count FROM (
         SELECT b % 61 AS k, coalesce(sum(provider_charge(c)), 0)::bigint AS t, count(c.id) AS n
           FROM generate_series(v_second - 60, v_second) b
           LEFT JOIN providers_providercall c ON c.provider = p_provider AND provider_second(c.created_at) = b
             AND c.created_at >= to_timestamp(v_second - 60)
          GROUP BY b) x) m,
      (SELECT coalesce(sum(reserved_tokens), 0)::bigint AS tokens,
              coalesce(sum(provider_charge_nano(c)), 0)::bigint AS nano, count(*)::int AS count
         FROM providers_providercall c WHERE provider = p_provider AND status = 'reserved') o
    WHERE s.provider = p_provider;
END $$;

CREATE FUNCTION provider_budget_rebuild() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_hour bigint;
BEGIN
  INSERT INTO providers_budgetstate (id, head_hour, hour_nano, day_nano)
    VALUES (1, 0, array_fill(0::bigint, ARRAY[25]), 0) ON CONFLICT DO NOTHING;
  PERFORM 1 FROM providers_budgetstate WHERE id = 1 FOR UPDATE;
  SELECT greatest(provider_hour(provider_now()), provider_hour(max(created_at))) INTO v_hour FROM providers_providercall;
  UPDATE providers_budgetstate SET head_hour = v_hour, hour_nano = h.nano, day_nano = h.total FROM
    (SELECT array_agg(t ORDER BY k) AS nano, sum(t)::bigint AS total FROM (
       SELECT b % 25 AS k, coalesce(sum(provider_charge_nano(c)), 0)::bigint AS t
         FROM generate_series(v_hour - 24, v_hour) b
         LEFT JOIN providers_providercall c ON provider_hour(c.created_at) = b
           AND c.created_at >= to_timestamp((v_hour - 24) * 3600)
        GROUP BY b) x) h
   WHERE id = 1;
END $$;
"""

# Which of the `span` buckets up to `head` is the one whose leaving the window takes the excess away; the newest if none does.
RELIEF = """
CREATE FUNCTION provider_relief(buckets bigint[], head bigint, span int, excess bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_bucket bigint := head - span + 1;
BEGIN
  LOOP
    excess := excess - buckets[v_bucket % span + 1];
    IF excess <= 0 OR v_bucket = head THEN
      RETURN v_bucket;
    END IF;
    v_bucket := v_bucket + 1;
  END LOOP;
END $$;
"""

# A lease that ran out stays charged in full, as unknown spend, until a late settlement corrects it; its slot is free again.
EXPIRE = """
CREATE FUNCTION provider_expire(p_provider text, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_count int; v_tokens bigint; v_nano bigint;
BEGIN
  WITH gone AS (
    UPDATE providers_providercall c SET status = 'unknown', settled_at = p_now, cost_usd = reserved_usd,
        error_code = 'provider:lease-expired', error_message = 'The caller died or stalled; what the call used is not known.'
      WHERE provider = p_provider AND status = 'reserved' AND lease_until < p_now
      RETURNING reserved_tokens, provider_charge_nano(c) AS nano)
  SELECT count(*), sum(reserved_tokens), sum(nano) INTO v_count, v_tokens, v_nano FROM gone;
  IF v_count > 0 THEN
    UPDATE providers_providerstate SET inflight = inflight - v_count, reserved_tokens = reserved_tokens - v_tokens,
        reserved_nano = reserved_nano - v_nano
      WHERE provider = p_provider;
  END IF;
END $$;
"""

# p_limits: tokens a day, tokens a minute, requests a minute, concurrency, nano-USD a day, used tokens that pause (0: never).
# Answers outcome '' (admitted; the row p_call exists; without p_call it is only asked whether it would be), 'replay' (p_stage has a stored answer: answered), or what denied.
# `until` is when the denying dimension would admit this call if nothing else came; `held` whether only open reservations
# are in the way, which may be settled any moment; `filled` what the dimension stood at.
ACQUIRE = """
CREATE FUNCTION provider_acquire(
  p_call uuid, p_provider text, p_model text, p_tokens bigint, p_nano bigint, p_lease_seconds double precision,
  p_limits bigint[], p_repo text, p_stage_kind text, p_flow text, p_stage bigint, p_attempt bigint, p_digest text,
  p_fallback_from text,
  OUT outcome text, OUT until timestamptz, OUT held boolean, OUT filled bigint, OUT answered uuid, OUT asked_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
  s providers_providerstate%ROWTYPE;
  b providers_budgetstate%ROWTYPE;
  v_now timestamptz; v_second bigint; v_hour bigint; k int; v_excess bigint; v_reserved bigint;
  v_until timestamptz; v_paid boolean; v_rolled boolean;
  v_soon CONSTANT interval := '1 second';
BEGIN
  held := false;
  IF p_stage IS NOT NULL THEN
    SELECT id INTO answered FROM providers_providercall
      WHERE stage_id = p_stage AND request_digest = p_digest AND answer IS NOT NULL ORDER BY created_at LIMIT 1;
    IF FOUND THEN
      outcome := 'replay';
      RETURN;
    END IF;
  END IF;

  SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM provider_rebuild(p_provider);
    SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  END IF;
  -- The clock is read under the lock and never runs backwards: a step back waits in the newest second.
  v_now := greatest(provider_now(), to_timestamp(s.head_second));
  asked_at := v_now;
  v_second := provider_second(v_now);
  v_hour := v_second / 3600;

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
    PERFORM provider_expire(p_provider, v_now);
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

  -- The common case in one expression: each expression costs microseconds under the lock.
  outcome := '';
  IF s.paused OR s.not_before > v_now OR s.breaker = 'open' OR s.day_tokens + p_tokens > p_limits[1]
    OR s.minute_tokens + p_tokens > p_limits[2] OR s.minute_requests >= p_limits[3] OR s.inflight >= p_limits[4]
    OR (p_limits[6] > 0 AND s.day_tokens - s.reserved_tokens >= p_limits[6])
  THEN
  IF s.paused THEN
    outcome := 'paused'; until := v_now + interval '1 minute';
  ELSIF s.not_before > v_now THEN
    outcome := 'not_before'; until := s.not_before;
  ELSIF s.breaker = 'open' AND s.open_until > v_now THEN
    outcome := 'breaker'; until := s.open_until;
  ELSIF s.breaker = 'open' AND s.probe_until > v_now THEN
    outcome := 'breaker'; held := true; until := v_now + v_soon;
  END IF;

  -- Each dimension that is too full says when enough of its old buckets will have left the window; the latest one counts.
  IF outcome = '' AND p_limits[6] > 0 AND s.day_tokens - s.reserved_tokens >= p_limits[6] THEN
    v_excess := s.day_tokens - s.reserved_tokens - p_limits[6] + 1;
    outcome := 'quota'; filled := s.day_tokens - s.reserved_tokens;
    until := to_timestamp((provider_relief(s.hour_tokens, v_hour, 25, v_excess) + 25) * 3600);
  END IF;
  IF outcome IN ('', 'quota') THEN
    IF s.day_tokens + p_tokens > p_limits[1] THEN
      v_excess := s.day_tokens + p_tokens - p_limits[1];
      IF v_excess <= s.reserved_tokens THEN
        v_until := v_now + v_soon;
      ELSE
        v_until := to_timestamp((provider_relief(s.hour_tokens, v_hour, 25, v_excess) + 25) * 3600);
      END IF;
      IF until IS NULL OR v_until > until THEN
        outcome := 'tokens_day'; until := v_until; filled := s.day_tokens; held := v_excess <= s.reserved_tokens;
      END IF;
    END IF;
    IF s.minute_tokens + p_tokens > p_limits[2] THEN
      v_excess := s.minute_tokens + p_tokens - p_limits[2];
      v_until := to_timestamp(provider_relief(s.second_tokens, v_second, 61, v_excess) + 61);
      IF until IS NULL OR v_until > until THEN
        outcome := 'tokens_minute'; until := v_until; filled := s.minute_tokens; held := false;
      END IF;
    END IF;
    IF s.minute_requests + 1 > p_limits[3] THEN
      v_excess := s.minute_requests + 1 - p_limits[3];
      v_until := to_timestamp(provider_relief(s.second_requests, v_second, 61, v_excess) + 61);
      IF until IS NULL OR v_until > until THEN
        outcome := 'requests_minute'; until := v_until; filled := s.minute_requests; held := false;
      END IF;
    END IF;
    IF s.inflight + 1 > p_limits[4] AND until IS NULL THEN
      outcome := 'concurrency'; until := v_now + v_soon; filled := s.inflight; held := true;
    END IF;
  END IF;
  END IF;

  v_paid := false;
  IF outcome = '' AND p_call IS NOT NULL THEN
    UPDATE providers_budgetstate SET hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + p_nano, day_nano = day_nano + p_nano
      WHERE id = 1 AND head_hour = v_hour AND day_nano + p_nano <= p_limits[5];
    v_paid := FOUND;
  END IF;
  IF NOT v_paid AND (outcome IN ('', 'concurrency') OR held) THEN
    SELECT * INTO b FROM providers_budgetstate WHERE id = 1 FOR UPDATE;
    IF NOT FOUND THEN
      PERFORM provider_budget_rebuild();
      SELECT * INTO b FROM providers_budgetstate WHERE id = 1 FOR UPDATE;
    END IF;
    -- Another provider's clock under its own lock may be a moment ahead of ours.
    IF v_hour > b.head_hour THEN
      FOR i IN 1 .. least(v_hour - b.head_hour, 25) LOOP
        k := (b.head_hour + i) % 25 + 1;
        b.day_nano := b.day_nano - b.hour_nano[k]; b.hour_nano[k] := 0;
      END LOOP;
      b.head_hour := v_hour;
    END IF;
    IF b.day_nano + p_nano > p_limits[5] THEN
      v_excess := b.day_nano + p_nano - p_limits[5];
      SELECT sum(reserved_nano) INTO v_reserved FROM providers_providerstate;
      outcome := 'usd_day'; filled := b.day_nano; held := v_excess <= v_reserved;
      IF held THEN
        until := v_now + v_soon;
      ELSE
        until := to_timestamp((provider_relief(b.hour_nano, b.head_hour, 25, v_excess) + 25) * 3600);
      END IF;
    END IF;
  END IF;

  IF outcome <> '' OR p_call IS NULL THEN
    -- Nothing that must survive was written: a refusal need not wait for the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN;
  END IF;

  IF NOT v_paid THEN
    -- Into the hour of the lease, although the budget's newest hour may be the next one already.
    k := s.head_hour % 25 + 1;
    b.hour_nano[k] := b.hour_nano[k] + p_nano;
    UPDATE providers_budgetstate SET head_hour = b.head_hour, hour_nano = b.hour_nano, day_nano = b.day_nano + p_nano
      WHERE id = 1;
  END IF;
  IF s.breaker = 'open' THEN
    s.probe_call := p_call; s.probe_until := v_now + make_interval(secs => p_lease_seconds);
  END IF;
  IF v_rolled THEN
    UPDATE providers_providerstate SET head_hour = s.head_hour, hour_tokens = s.hour_tokens, head_second = s.head_second,
        second_tokens = s.second_tokens, second_requests = s.second_requests WHERE provider = p_provider;
  END IF;
  UPDATE providers_providerstate SET
      hour_tokens[v_hour % 25 + 1] = hour_tokens[v_hour % 25 + 1] + p_tokens, day_tokens = s.day_tokens + p_tokens,
      second_tokens[v_second % 61 + 1] = second_tokens[v_second % 61 + 1] + p_tokens,
      minute_tokens = s.minute_tokens + p_tokens,
      second_requests[v_second % 61 + 1] = second_requests[v_second % 61 + 1] + 1, minute_requests = s.minute_requests + 1,
      reserved_tokens = s.reserved_tokens + p_tokens, reserved_nano = s.reserved_nano + p_nano, inflight = s.inflight + 1,
      probe_call = s.probe_call, probe_until = s.probe_until
    WHERE provider = p_provider;
  INSERT INTO providers_providercall (id, provider, model, repo, stage_kind, flow_id, stage_id, attempt_id, fallback_from,
      status, request_digest, reserved_tokens, reserved_usd, input_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_usd, price, error_code, error_message, created_at, lease_until)
    VALUES (p_call, p_provider, p_model, p_repo, p_stage_kind, p_flow, p_stage, p_attempt, p_fallback_from,
      'reserved', p_digest, p_tokens, p_nano / 1000000000.0, 0, 0, 0, 0, 0, 0, 0, '{}', '', '', v_now,
      v_now + make_interval(secs => p_lease_seconds));
END $$;
"""

# p_status: settled (p_tokens, p_usd, p_price say what was used), released (nothing was), unknown (stays charged in full).
# p_health: 1 the provider is well, -1 it failed, 0 says nothing. p_pause_seconds: the provider asks everybody to wait; -1 if it
# names no time. p_health_policy: score that opens, points of a failure, first pause and longest pause in seconds.
# False: the call is not known or was settled or released before; nothing has changed.
SETTLE = """
CREATE FUNCTION provider_settle(
  p_call uuid, p_provider text, p_status text, p_tokens bigint[], p_usd numeric, p_price jsonb, p_error_code text,
  p_error_message text, p_latency_ms int, p_health int, p_pause_seconds double precision, p_health_policy int[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  s providers_providerstate%ROWTYPE;
  c providers_providercall%ROWTYPE;
  v_now timestamptz; v_hour bigint; v_second bigint; v_delta bigint := 0; v_nano bigint := 0; k int;
  v_wait double precision;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM provider_rebuild(p_provider);
    SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  END IF;
  SELECT * INTO c FROM providers_providercall WHERE id = p_call AND provider = p_provider FOR UPDATE;
  IF NOT FOUND OR c.status IN ('settled', 'released') OR c.status = p_status THEN
    RETURN false;
  END IF;
  v_now := greatest(provider_now(), c.created_at);
  v_second := provider_second(c.created_at);
  v_hour := v_second / 3600;
  IF p_status = 'settled' THEN
    v_delta := p_tokens[1] + p_tokens[2] + p_tokens[3] + p_tokens[4] + p_tokens[5] + p_tokens[6] - c.reserved_tokens;
    v_nano := ((p_usd - c.reserved_usd) * 1000000000)::bigint;
  ELSIF p_status = 'released' THEN
    v_delta := -c.reserved_tokens;
    v_nano := (-c.reserved_usd * 1000000000)::bigint;
  END IF;

  UPDATE providers_providercall SET status = p_status, settled_at = v_now,
      input_tokens = coalesce(p_tokens[1], 0), cache_read_tokens = coalesce(p_tokens[2], 0),
      cache_write_5m_tokens = coalesce(p_tokens[3], 0), cache_write_1h_tokens = coalesce(p_tokens[4], 0),
      output_tokens = coalesce(p_tokens[5], 0), reasoning_tokens = coalesce(p_tokens[6], 0),
      cost_usd = CASE p_status WHEN 'settled' THEN p_usd WHEN 'unknown' THEN reserved_usd ELSE 0 END,
      price = p_price, error_code = p_error_code, error_message = p_error_message, latency_ms = p_latency_ms
    WHERE id = p_call;

  IF v_hour BETWEEN s.head_hour - 24 AND s.head_hour THEN
    k := v_hour % 25 + 1;
    s.hour_tokens[k] := s.hour_tokens[k] + v_delta;
    s.day_tokens := s.day_tokens + v_delta;
  END IF;
  IF v_second BETWEEN s.head_second - 60 AND s.head_second THEN
    k := v_second % 61 + 1;
    s.second_tokens[k] := s.second_tokens[k] + v_delta;
    s.minute_tokens := s.minute_tokens + v_delta;
  END IF;
  IF c.status = 'reserved' THEN
    s.reserved_tokens := s.reserved_tokens - c.reserved_tokens;
    s.reserved_nano := s.reserved_nano - (c.reserved_usd * 1000000000)::bigint;
    s.inflight := s.inflight - 1;
  END IF;

  IF p_pause_seconds IS NOT NULL THEN
    v_wait := p_pause_seconds;
    IF v_wait < 0 THEN
      v_wait := least(power(2, least(s.throttles, 10)), 60);
      s.throttles := least(s.throttles + 1, 100);
    END IF;
    s.not_before := greatest(s.not_before, v_now + make_interval(secs => v_wait));
  END IF;
  IF p_health > 0 AND (s.failure_score > 0 OR s.throttles > 0 OR s.breaker = 'open') THEN
    s.failure_score := greatest(s.failure_score - 1, 0);
    s.throttles := 0;
    IF s.breaker = 'open' AND s.probe_call = p_call THEN
      s.breaker := 'closed'; s.failure_score := 0; s.openings := 0; s.open_until := NULL;
      INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
        VALUES (p_provider, 'closed', 'breaker', 'The probe was answered.', v_now);
    END IF;
  ELSIF p_health < 0 THEN
    IF s.failed_at < v_now - interval '1 minute' THEN
      s.failure_score := 0;
    END IF;
    s.failure_score := least(s.failure_score + p_health_policy[2], 1000);
    s.failed_at := v_now;
    IF (s.breaker = 'closed' AND s.failure_score >= p_health_policy[1]) OR s.probe_call = p_call THEN
      v_wait := least(p_health_policy[3] * power(2, least(s.openings, 20)), p_health_policy[4]);
      IF s.breaker = 'closed' THEN
        INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
          VALUES (p_provider, 'opened', 'breaker', 'Calls fail; the last one with ' || p_error_code || '.', v_now);
      END IF;
      s.breaker := 'open'; s.openings := least(s.openings + 1, 100); s.open_until := v_now + make_interval(secs => v_wait);
    END IF;
  END IF;
  IF s.probe_call = p_call THEN
    s.probe_call := NULL; s.probe_until := NULL;
  END IF;

  IF v_nano <> 0 THEN
    k := v_hour % 25 + 1;
    UPDATE providers_budgetstate SET hour_nano[k] = hour_nano[k] + v_nano, day_nano = day_nano + v_nano
      WHERE id = 1 AND v_hour BETWEEN head_hour - 24 AND head_hour;
  END IF;
  UPDATE providers_providerstate SET
      hour_tokens = s.hour_tokens, day_tokens = s.day_tokens, second_tokens = s.second_tokens, minute_tokens = s.minute_tokens,
      reserved_tokens = s.reserved_tokens, reserved_nano = s.reserved_nano, inflight = s.inflight,
      not_before = s.not_before, throttles = s.throttles, breaker = s.breaker, failure_score = s.failure_score,
      failed_at = s.failed_at, openings = s.openings, open_until = s.open_until, probe_call = s.probe_call,
      probe_until = s.probe_until
    WHERE provider = p_provider;
  RETURN true;
END $$;
"""

# Both take their locks with asynchronous commit, so that nobody waits for the disk while a provider is locked; then an admitted
# call waits for the log to be flushed, together with everybody else who waits (one flush serves them all). A settlement need
# not wait: the answer was stored durably before it, whatever is committed after it is after it in the log, and if it is lost
# with its counters, the lease runs out and stays charged.
PROCEDURES = """
CREATE PROCEDURE provider_acquire_durably(
  p_call uuid, p_provider text, p_model text, p_tokens bigint, p_nano bigint, p_lease_seconds double precision,
  p_limits bigint[], p_repo text, p_stage_kind text, p_flow text, p_stage bigint, p_attempt bigint, p_digest text,
  p_fallback_from text,
  INOUT outcome text, INOUT until timestamptz, INOUT held boolean, INOUT filled bigint, INOUT answered uuid, INOUT asked_at timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO outcome, until, held, filled, answered, asked_at FROM provider_acquire(p_call, p_provider, p_model, p_tokens, p_nano,
    p_lease_seconds, p_limits, p_repo, p_stage_kind, p_flow, p_stage, p_attempt, p_digest, p_fallback_from);
  COMMIT;
  IF outcome = '' THEN
    PERFORM pg_logical_emit_message(true, 'provider', '');
  END IF;
END $$;
"""

# The counters' rows are rewritten by every call: room in the page keeps those updates in place (HOT), without index work.
STORAGE = """
ALTER TABLE providers_providerstate SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE providers_budgetstate SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""

REVERSE = """
DROP PROCEDURE provider_acquire_durably;
DROP FUNCTION provider_settle, provider_acquire, provider_expire, provider_relief, provider_budget_rebuild, provider_rebuild, provider_second,
  provider_hour, provider_charge_nano, provider_charge, provider_now;
"""


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial")]
    operations = [
        migrations.RunSQL(
            CLOCK + REBUILD + RELIEF + EXPIRE + ACQUIRE + SETTLE + PROCEDURES + STORAGE, REVERSE
        )
    ]
