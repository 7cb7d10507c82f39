-- The triggers of repos as they are now. Migrations create them from frozen copies of their own
-- (migrations/0005_halts.sql, migrations/0006_audit_trail.sql).


-- function: repos_guard_halt
-- A repo that is halted stays switched off, also when a statement by hand tries to switch it on.
CREATE FUNCTION repos_guard_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM repos_repohalt h WHERE h.repo_id = NEW.id) THEN
    RAISE EXCEPTION 'repo % is halted and stays switched off', NEW.repo_name
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

-- trigger: repos_guard_halt
-- Only a change from off to on: saving a row that is on, or its other columns, costs no look.
CREATE TRIGGER repos_guard_halt BEFORE UPDATE OF enabled ON repos FOR EACH ROW
  WHEN (NEW.enabled AND NOT OLD.enabled)
  EXECUTE FUNCTION repos_guard_halt();


-- trigger: repos_is_audited
-- Repos: switched on and off, their phase, their team lead. Each table that people decide on is in the audit
-- trail (core/sql/triggers.sql).
CREATE TRIGGER repos_is_audited AFTER INSERT OR UPDATE OR DELETE ON repos
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('repo_name', '{}', '{}');


-- trigger: repos_reposetting_is_audited
-- Settings are a history of their own; here a change of that history shows as well.
CREATE TRIGGER repos_reposetting_is_audited AFTER INSERT OR UPDATE OR DELETE ON repos_reposetting
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('key', '{}', '{}');


-- trigger: repos_membership_is_audited
-- Who may see and act on the flows of a repo.
CREATE TRIGGER repos_membership_is_audited AFTER INSERT OR UPDATE OR DELETE ON repos_membership
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{}', '{}');


-- trigger: repos_citrust_is_audited
-- Which CI jobs may act for a repo.
CREATE TRIGGER repos_citrust_is_audited AFTER INSERT OR UPDATE OR DELETE ON repos_citrust
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{}', '{}');


-- trigger: repos_token_is_audited
-- Tokens. Each request writes only when and from where one was used, which is not in the list.
CREATE TRIGGER repos_token_is_audited
  AFTER INSERT OR DELETE OR UPDATE OF name, digest, repo_id, scopes, replaces_id, trust_id, id_token_digest,
    created_by, expires_at, revoked_at ON repos_token
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{digest,id_token_digest}', '{}');
