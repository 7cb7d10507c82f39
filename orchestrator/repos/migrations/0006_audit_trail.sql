-- trigger: repos_is_audited
-- Repos: switched on and off, their phase, their team lead.
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
