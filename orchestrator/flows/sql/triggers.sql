-- The triggers of the engine's tables as they are now.
--
-- A migration creates them from its own frozen copy (migrations/0001_initial.sql). To change one, edit it
-- here and add a migration whose .sql file replaces it. A test builds both and compares them; another
-- compares the transitions with models/states.py.


-- function: flows_refuse_transition
-- Refuses a change of status that the table of transitions does not have. Callers see a check violation with
-- the trigger's name.
CREATE FUNCTION flows_refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% cannot move from % to %', TG_TABLE_NAME, OLD.status, NEW.status
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;


-- trigger: flows_flow_transition
-- The transitions of a flow. The list is in the WHEN clause, so that an allowed transition costs no function
-- call.
CREATE TRIGGER flows_flow_transition BEFORE UPDATE OF status ON flows_flow FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status || '>' || NEW.status = ANY ('{
    pending>cancelled, pending>failed, pending>paused, pending>running,
    running>cancelled, running>failed, running>passed, running>paused, running>waiting,
    waiting>cancelled, waiting>failed, waiting>paused, waiting>running,
    paused>cancelled, paused>failed, paused>passed, paused>pending, paused>running, paused>waiting,
    failed>running,
    cancelled>running
  }'::text[])))
  EXECUTE FUNCTION flows_refuse_transition();


-- trigger: flows_stage_transition
-- The transitions of a stage.
CREATE TRIGGER flows_stage_transition BEFORE UPDATE OF status ON flows_stage FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status || '>' || NEW.status = ANY ('{
    pending>cancelled, pending>ready, pending>running, pending>skipped,
    ready>cancelled, ready>failed, ready>running, ready>skipped, ready>waiting,
    running>cancelled, running>failed, running>passed, running>ready, running>skipped, running>waiting,
    waiting>cancelled, waiting>failed, waiting>ready, waiting>skipped,
    failed>ready,
    skipped>pending, skipped>ready,
    cancelled>pending, cancelled>ready
  }'::text[])))
  EXECUTE FUNCTION flows_refuse_transition();


-- function: flows_refuse_early_stage
-- Refuses to start a stage while one that it needs has not passed. It reads the rows that its own statement
-- has written.
CREATE FUNCTION flows_refuse_early_stage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM flows_stage n
    WHERE n.id = ANY (NEW.needs) AND n.status <> 'passed' AND n.repair = '{}'
  ) THEN
    RAISE EXCEPTION 'stage % of % may not start: a stage that it needs has not passed', NEW.kind, NEW.flow_id
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;


-- trigger: flows_stage_needs_passed
-- A stage where branches meet starts after all of them. One need is the stage whose pass starts this one, so
-- only joins are looked at.
CREATE TRIGGER flows_stage_needs_passed BEFORE UPDATE OF status ON flows_stage FOR EACH ROW
  WHEN (OLD.status IN ('pending', 'skipped', 'cancelled') AND NEW.status IN ('ready', 'running')
    AND cardinality(NEW.needs) > 1)
  EXECUTE FUNCTION flows_refuse_early_stage();


-- function: flows_refuse_early_pass
-- Refuses to end a flow as passed while any of its stages is still to come or under way.
CREATE FUNCTION flows_refuse_early_pass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM flows_stage s
    WHERE s.flow_id = NEW.id AND s.status IN ('pending', 'ready', 'running', 'waiting')
  ) THEN
    RAISE EXCEPTION 'flow % may not pass: a stage of it has not ended', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;


-- trigger: flows_flow_whole_when_passed
-- A flow passes after its last stage.
CREATE TRIGGER flows_flow_whole_when_passed BEFORE UPDATE OF status ON flows_flow FOR EACH ROW
  WHEN (OLD.status <> 'passed' AND NEW.status = 'passed')
  EXECUTE FUNCTION flows_refuse_early_pass();


-- function: flows_evidencelog_is_kept
-- The evidence log only grows: nobody changes or deletes an entry, not even by hand.
CREATE FUNCTION flows_evidencelog_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the evidence log only grows: % of entry % of % refused', TG_OP, OLD.sequence, OLD.repo
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER flows_evidencelog_is_kept BEFORE UPDATE OR DELETE ON flows_evidencelog
  FOR EACH ROW EXECUTE FUNCTION flows_evidencelog_is_kept();


-- trigger: flows_flow_is_audited
-- What people do to a flow is in the audit trail (core/sql/triggers.sql). The moves are in the WHEN clause, so
-- that those of the engine cost no function call.
CREATE TRIGGER flows_flow_is_audited AFTER UPDATE OF status, priority ON flows_flow FOR EACH ROW
  WHEN (
    NEW.priority <> OLD.priority
    OR NEW.status <> OLD.status AND (
      NEW.status IN ('cancelled', 'paused')
      -- A resume or a retry. Where the last stage of a paused flow ends, the engine lets it pass or fail.
      OR OLD.status IN ('paused', 'failed', 'cancelled') AND NEW.status NOT IN ('passed', 'failed')
    )
  )
  EXECUTE FUNCTION core_audit_change('id', '{}', '{status,priority}');


-- trigger: flows_flow_removal_is_audited
-- No code deletes a flow.
CREATE TRIGGER flows_flow_removal_is_audited AFTER DELETE ON flows_flow FOR EACH ROW
  EXECUTE FUNCTION core_audit_change('id', '{}', '{status,repo_id,created_by,created_at}');


-- trigger: flows_hold_is_audited
-- Pauses beyond one flow, and their releases.
CREATE TRIGGER flows_hold_is_audited AFTER INSERT OR UPDATE OR DELETE ON flows_hold
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{}', '{}');
