-- The triggers of notifications as they are now. Migrations create them from their own frozen copies
-- (migrations/0001_notifications.sql, migrations/0002_webhooks.sql).


-- function: notifications_tell_of_end
-- Writes an outgoing event for a flow that ends, in the transaction that ends it, where somebody wants to know.
CREATE FUNCTION notifications_tell_of_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO core_outgoingevent (subscriber, payload)
  SELECT 'flow.ended/subscriptions', jsonb_build_object('flow', NEW.flow_id, 'event', NEW.id)
  FROM flows_flow fl
  WHERE fl.id = NEW.flow_id
    AND EXISTS (
      -- A subscription without a repo is for all of them.
      SELECT 1 FROM notifications_subscription s
      WHERE s.is_active AND (s.repo_id IS NULL OR s.repo_id = fl.repo_id)
    );
  RETURN NULL;
END $$;


-- trigger: notifications_flow_ended
-- The kinds are in the WHEN clause, so that every other event costs no function call.
CREATE TRIGGER notifications_flow_ended AFTER INSERT ON flows_flowevent FOR EACH ROW
  WHEN (NEW.kind IN ('flow.passed', 'flow.failed', 'flow.cancelled'))
  EXECUTE FUNCTION notifications_tell_of_end();


-- function: notifications_tell_of_verdict
-- Writes an outgoing event for the verdict of a gate, in the transaction that keeps it, where somebody has asked
-- for such verdicts. Few do, and a flow has many verdicts.
CREATE FUNCTION notifications_tell_of_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO core_outgoingevent (subscriber, payload)
  SELECT 'gate.judged/subscriptions', jsonb_build_object('gate_result', NEW.id)
  FROM flows_flow fl
  WHERE fl.id = NEW.flow_id
    AND EXISTS (
      -- A subscription without a repo is for all of them.
      SELECT 1 FROM notifications_subscription s
      WHERE s.is_active AND (s.repo_id IS NULL OR s.repo_id = fl.repo_id)
        -- What has not passed has failed, as far as the topic goes.
        AND s.topics ? CASE NEW.verdict WHEN 'passed' THEN 'gate.passed' ELSE 'gate.failed' END
    );
  RETURN NULL;
END $$;


-- trigger: notifications_gate_judged
-- After the row, so that the event and the verdict are there together or not at all.
CREATE TRIGGER notifications_gate_judged AFTER INSERT ON flows_gateresult FOR EACH ROW
  EXECUTE FUNCTION notifications_tell_of_verdict();


-- trigger: notifications_subscription_is_audited
-- Who is told of what is in the audit trail (core/sql/triggers.sql). Deliveries write only failures and
-- rests_until, which are not in the list; the keys of webhooks are never shown.
CREATE TRIGGER notifications_subscription_is_audited
  AFTER INSERT OR DELETE OR UPDATE OF repo_id, person_id, notifier, target, topics, quiet_from, quiet_until,
    time_zone, is_active, secret_key ON notifications_subscription
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{key,secret_key,previous_secret_key}',
    '{repo_id,person_id,notifier,target,topics,quiet_from,quiet_until,time_zone,is_active,secret_key}');
