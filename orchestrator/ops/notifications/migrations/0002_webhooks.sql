-- The trigger of verdicts as the second migration makes it.


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
