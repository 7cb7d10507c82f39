-- The triggers of the engine's tables as they are now.
--
-- A migration creates them from its own frozen copy (migrations/0001_initial.sql). To change one, edit it here and add a migration
-- whose .sql file replaces it. A test builds both and compares them; another compares the transitions with models/states.py.


-- function: flows_refuse_transition
-- Refuses a change of status that the table of transitions does not have. Callers see a check violation with the trigger's name.
CREATE FUNCTION flows_refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% cannot move from % to %', TG_TABLE_NAME, OLD.status, NEW.status
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;


-- trigger: flows_flow_transition
-- The transitions of a flow. The list is in the WHEN clause, so that an allowed transition costs no function call.
CREATE TRIGGER flows_flow_transition BEFORE UPDATE OF status ON flows_flow FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status || '>' || NEW.status = ANY ('{
    pending>cancelled, pending>failed, pending>paused, pending>running,
    running>cancelled, running>failed, running>passed, running>paused, running>waiting,
    waiting>cancelled, waiting>failed, waiting>paused, waiting>running,
    paused>cancelled, paused>failed, paused>passed, paused>pending, paused>running, paused>waiting,
    failed>running
  }'::text[])))
  EXECUTE FUNCTION flows_refuse_transition();


-- trigger: flows_stage_transition
-- The transitions of a stage.
CREATE TRIGGER flows_stage_transition BEFORE UPDATE OF status ON flows_stage FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status || '>' || NEW.status = ANY ('{
    pending>cancelled, pending>ready, pending>running, pending>skipped,
    ready>cancelled, ready>failed, ready>running, ready>skipped, ready>waiting,
    running>cancelled, running>failed, running>passed, running>ready, running>waiting,
    waiting>cancelled, waiting>failed, waiting>ready,
    failed>ready,
    skipped>pending
  }'::text[])))
  EXECUTE FUNCTION flows_refuse_transition();


-- function: flows_evidencelog_is_kept
-- The evidence log only grows: nobody changes or deletes an entry, not even by hand.
CREATE FUNCTION flows_evidencelog_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the evidence log only grows: % of entry % of % refused', TG_OP, OLD.sequence, OLD.repo
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER flows_evidencelog_is_kept BEFORE UPDATE OR DELETE ON flows_evidencelog
  FOR EACH ROW EXECUTE FUNCTION flows_evidencelog_is_kept();
