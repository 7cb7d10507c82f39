-- function: core_audit_change
-- Writes what a statement changed in a row, with the actor and the reason that the transaction has named.
CREATE FUNCTION core_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  hidden text[] := TG_ARGV[1];
  kept text[] := TG_ARGV[2];
  earlier jsonb := '{}';
  later jsonb := '{}';
  changed jsonb;
BEGIN
  IF TG_OP <> 'INSERT' THEN earlier := to_jsonb(OLD); END IF;
  IF TG_OP <> 'DELETE' THEN later := to_jsonb(NEW); END IF;
  SELECT jsonb_object_agg(name, CASE
      WHEN name = ANY (hidden) THEN '["hidden", "hidden"]'::jsonb
      ELSE jsonb_build_array(earlier -> name, later -> name)
    END)
  INTO changed
  FROM jsonb_object_keys(earlier || later) AS name
  WHERE (earlier -> name) IS DISTINCT FROM (later -> name) AND (kept = '{}' OR name = ANY (kept));
  -- An UPDATE that writes what was there has changed nothing.
  IF changed IS NOT NULL THEN
    INSERT INTO core_auditentry (at, actor, reason, operation, subject, subject_key, changes, database_role)
    VALUES (
      clock_timestamp(), COALESCE(current_setting('blocks.actor', true), ''),
      COALESCE(current_setting('blocks.reason', true), ''), lower(TG_OP), TG_TABLE_NAME,
      (earlier || later) ->> TG_ARGV[0], changed, session_user
    );
  END IF;
  RETURN NULL;
END $$;


-- function: core_audit_is_kept
-- The audit trail only grows: nobody changes or deletes an entry, not even by hand.
CREATE FUNCTION core_audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail only grows: % of entry % refused', TG_OP, OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER core_audit_is_kept BEFORE UPDATE OR DELETE ON core_auditentry
  FOR EACH ROW EXECUTE FUNCTION core_audit_is_kept();


-- trigger: auth_user_is_audited
-- Who may log in, and as what. A log-in itself writes only last_login, which is not in the list. The tables of
-- accounts are Django's, so these triggers are replaced where they are there already.
CREATE OR REPLACE TRIGGER auth_user_is_audited
  AFTER INSERT OR DELETE OR UPDATE OF username, password, email, first_name, last_name, is_active, is_staff,
    is_superuser ON auth_user
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{password}',
    '{username,password,email,first_name,last_name,is_active,is_staff,is_superuser}');

CREATE OR REPLACE TRIGGER auth_group_is_audited AFTER INSERT OR UPDATE OR DELETE ON auth_group
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{}', '{}');

CREATE OR REPLACE TRIGGER auth_user_groups_is_audited AFTER INSERT OR UPDATE OR DELETE ON auth_user_groups
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('user_id', '{}', '{user_id,group_id}');

CREATE OR REPLACE TRIGGER auth_user_user_permissions_is_audited
  AFTER INSERT OR UPDATE OR DELETE ON auth_user_user_permissions
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('user_id', '{}', '{user_id,permission_id}');

CREATE OR REPLACE TRIGGER auth_group_permissions_is_audited AFTER INSERT OR UPDATE OR DELETE ON auth_group_permissions
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('group_id', '{}', '{group_id,permission_id}');
