-- trigger: providers_providerstate_is_audited
-- A provider that a person pauses or resumes is in the audit trail (core/sql/triggers.sql). The limiter's
-- statements never name this column, so they cost nothing more.
CREATE TRIGGER providers_providerstate_is_audited AFTER UPDATE OF paused ON providers_providerstate
  FOR EACH ROW WHEN (NEW.paused <> OLD.paused)
  EXECUTE FUNCTION core_audit_change('provider', '{}', '{paused,pause_reason}');
