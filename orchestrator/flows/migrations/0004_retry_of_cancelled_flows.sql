-- The triggers that let a retry bring back a cancelled flow.


-- trigger: flows_flow_transition
-- The transitions of a flow. The list is in the WHEN clause, so that an allowed transition costs no function
-- call.
CREATE OR REPLACE TRIGGER flows_flow_transition BEFORE UPDATE OF status ON flows_flow FOR EACH ROW
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
CREATE OR REPLACE TRIGGER flows_stage_transition BEFORE UPDATE OF status ON flows_stage FOR EACH ROW
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


-- trigger: flows_stage_needs_passed
-- A stage where branches meet starts after all of them. One need is the stage whose pass starts this one, so
-- only joins are looked at.
CREATE OR REPLACE TRIGGER flows_stage_needs_passed BEFORE UPDATE OF status ON flows_stage FOR EACH ROW
  WHEN (OLD.status IN ('pending', 'skipped', 'cancelled') AND NEW.status IN ('ready', 'running')
    AND cardinality(NEW.needs) > 1)
  EXECUTE FUNCTION flows_refuse_early_stage();
