-- Rows of the release before, in the words of this one. There are a few hundred at most.
UPDATE onboarding_onboardingrequest r
SET status = CASE status WHEN 'requested' THEN 'checking' WHEN 'approved' THEN 'ready' ELSE status END,
  ready_at = CASE status WHEN 'approved' THEN decided_at END,
  reference = 'ONB-' || (
    SELECT string_agg(substr('23456789ABCDEFGHJKLMNPQRSTUVWXYZ',
      1 + get_byte(uuid_send(gen_random_uuid()), 0) % 32, 1), '')
    -- It names the row, so that each row gets characters of its own.
    FROM generate_series(1, 5) WHERE r.id IS NOT NULL
  );
