"""The settlement anew: it keeps the answer too, and what it says of the provider's health is a function of its own."""

from django.db import migrations

# p_pause_seconds: the provider asks everybody to wait; -1 if it names no time. p_health: 1 the provider is well, -1 it failed, 0 says
# nothing. p_health_policy: score that opens, points of a failure, first pause and longest pause in seconds. The caller has the lock.
HEAR = """
CREATE OR REPLACE FUNCTION provider_hear(
  p_provider text, p_call uuid, p_now timestamptz, p_error_code text, p_health int, p_pause_seconds double precision,
  p_health_policy int[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s providers_providerstate%ROWTYPE; v_wait double precision;
BEGIN
  SELECT * INTO s FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  IF p_pause_seconds IS NOT NULL THEN
    v_wait := p_pause_seconds;
    IF v_wait < 0 THEN
      v_wait := least(power(2, least(s.throttles, 10)), 60);
      s.throttles := least(s.throttles + 1, 100);
    END IF;
    s.not_before := greatest(s.not_before, p_now + make_interval(secs => v_wait));
  END IF;
  IF p_health > 0 THEN
    s.failure_score := greatest(s.failure_score - 1, 0);
    s.throttles := 0;
    IF s.breaker = 'open' AND s.probe_call = p_call THEN
      s.breaker := 'closed'; s.failure_score := 0; s.openings := 0; s.open_until := NULL;
      INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
        VALUES (p_provider, 'closed', 'breaker', 'The probe was answered.', p_now);
    END IF;
  ELSIF p_health < 0 THEN
    IF s.failed_at < p_now - interval '1 minute' THEN
      s.failure_score := 0;
    END IF;
    s.failure_score := least(s.failure_score + p_health_policy[2], 1000);
    s.failed_at := p_now;
    IF (s.breaker = 'closed' AND s.failure_score >= p_health_policy[1]) OR s.probe_call = p_call THEN
      v_wait := least(p_health_policy[3] * power(2, least(s.openings, 20)), p_health_policy[4]);
      IF s.breaker = 'closed' THEN
        INSERT INTO providers_providerchange (provider, action, actor, reason, created_at)
          VALUES (p_provider, 'opened', 'breaker', 'Calls fail; the last one with ' || p_error_code || '.', p_now);
      END IF;
      s.breaker := 'open'; s.openings := least(s.openings + 1, 100); s.open_until := p_now + make_interval(secs => v_wait);
    END IF;
  END IF;
  IF s.probe_call = p_call THEN
    s.probe_call := NULL; s.probe_until := NULL;
  END IF;
  UPDATE providers_providerstate SET not_before = s.not_before, throttles = s.throttles, breaker = s.breaker,
      failure_score = s.failure_score, failed_at = s.failed_at, openings = s.openings, open_until = s.open_until,
      probe_call = s.probe_call, probe_until = s.probe_until
    WHERE provider = p_provider;
END $$;
"""

# p_status: settled (p_tokens, p_usd, p_price say what was used), released (nothing was), unknown (stays charged in full).
# p_response and p_answer: what the provider said, kept with it; NULL leaves what is there.
# False: the call is not known or was settled or released before; nothing has changed.
# Each expression of plpgsql costs microseconds under the lock, so the arithmetic is in the statements. What called the function
# before can still call it, so nothing is undone on the way back.
SETTLE = """
DROP FUNCTION provider_settle;
CREATE FUNCTION provider_settle(
  p_call uuid, p_provider text, p_status text, p_tokens bigint[], p_usd numeric, p_price jsonb, p_error_code text,
  p_error_message text, p_latency_ms int, p_health int, p_pause_seconds double precision, p_health_policy int[],
  p_response jsonb DEFAULT NULL, p_answer jsonb DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_ill boolean; v_provider text; v_created timestamptz; v_second bigint; v_hour bigint; v_tokens bigint; v_nano bigint;
  v_free_calls int; v_free_tokens bigint; v_free_nano bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT breaker = 'open' OR failure_score > 0 OR throttles > 0 OR probe_call IS NOT NULL INTO v_ill
    FROM providers_providerstate WHERE provider = p_provider FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM provider_rebuild(p_provider);
  END IF;
  -- Whoever changes a call's status has the provider's lock, so this is how it stands. By its id only: while the table has no
  -- statistics, a plan might look for the provider instead, and be kept.
  SELECT provider, created_at, provider_second(created_at), provider_second(created_at) / 3600,
      CASE p_status WHEN 'settled' THEN p_tokens[1] + p_tokens[2] + p_tokens[3] + p_tokens[4] + p_tokens[5] + p_tokens[6] - reserved_tokens
                    WHEN 'released' THEN -reserved_tokens ELSE 0 END,
      (CASE p_status WHEN 'settled' THEN p_usd - reserved_usd WHEN 'released' THEN -reserved_usd ELSE 0 END * 1000000000)::bigint,
      CASE status WHEN 'reserved' THEN 1 ELSE 0 END,
      CASE status WHEN 'reserved' THEN reserved_tokens ELSE 0 END,
      CASE status WHEN 'reserved' THEN (reserved_usd * 1000000000)::bigint ELSE 0 END
    INTO v_provider, v_created, v_second, v_hour, v_tokens, v_nano, v_free_calls, v_free_tokens, v_free_nano
    FROM providers_providercall
    WHERE id = p_call AND status NOT IN ('settled', 'released') AND status <> p_status;
  IF NOT FOUND OR v_provider <> p_provider THEN
    RETURN false;
  END IF;

  UPDATE providers_providercall SET status = p_status, settled_at = greatest(provider_now(), created_at),
      input_tokens = coalesce(p_tokens[1], 0), cache_read_tokens = coalesce(p_tokens[2], 0),
      cache_write_5m_tokens = coalesce(p_tokens[3], 0), cache_write_1h_tokens = coalesce(p_tokens[4], 0),
      output_tokens = coalesce(p_tokens[5], 0), reasoning_tokens = coalesce(p_tokens[6], 0),
      cost_usd = CASE p_status WHEN 'settled' THEN p_usd WHEN 'unknown' THEN reserved_usd ELSE 0 END,
      price = p_price, error_code = p_error_code, error_message = p_error_message, latency_ms = p_latency_ms,
      response = coalesce(p_response, response), answer = coalesce(p_answer, answer)
    WHERE id = p_call;
  IF v_nano <> 0 THEN
    UPDATE providers_budgetstate SET
        hour_nano[v_hour % 25 + 1] = hour_nano[v_hour % 25 + 1] + v_nano, day_nano = day_nano + v_nano
      WHERE id = 1 AND v_hour BETWEEN head_hour - 24 AND head_hour;
  END IF;
  -- Into the hour and the second of the lease, where they are still in the window.
  UPDATE providers_providerstate SET
      hour_tokens[v_hour % 25 + 1] =
        hour_tokens[v_hour % 25 + 1] + CASE WHEN v_hour BETWEEN head_hour - 24 AND head_hour THEN v_tokens ELSE 0 END,
      day_tokens = day_tokens + CASE WHEN v_hour BETWEEN head_hour - 24 AND head_hour THEN v_tokens ELSE 0 END,
      second_tokens[v_second % 61 + 1] =
        second_tokens[v_second % 61 + 1] + CASE WHEN v_second BETWEEN head_second - 60 AND head_second THEN v_tokens ELSE 0 END,
      minute_tokens = minute_tokens + CASE WHEN v_second BETWEEN head_second - 60 AND head_second THEN v_tokens ELSE 0 END,
      inflight = inflight - v_free_calls, reserved_tokens = reserved_tokens - v_free_tokens,
      reserved_nano = reserved_nano - v_free_nano
    WHERE provider = p_provider;
  IF p_health < 0 OR p_pause_seconds IS NOT NULL OR v_ill THEN
    PERFORM provider_hear(p_provider, p_call, greatest(provider_now(), v_created), p_error_code, p_health, p_pause_seconds,
      p_health_policy);
  END IF;
  RETURN true;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("providers", "0003_names")]
    operations = [migrations.RunSQL(HEAR + SETTLE, migrations.RunSQL.noop)]
