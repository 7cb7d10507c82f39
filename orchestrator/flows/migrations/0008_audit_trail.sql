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
