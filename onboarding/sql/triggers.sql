-- The triggers of onboarding as they are now. A migration creates them from its own frozen copy
-- (migrations/0002_audit_trail.sql).


-- trigger: onboarding_onboardingrequest_is_audited
-- Who has approved or rejected a request is in the audit trail (core/sql/triggers.sql).
CREATE TRIGGER onboarding_onboardingrequest_is_audited
  AFTER DELETE OR UPDATE ON onboarding_onboardingrequest
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{}', '{}');
