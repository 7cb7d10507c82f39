-- trigger: notifications_subscription_is_audited
-- Who is told of what is in the audit trail (core/sql/triggers.sql). Deliveries write only failures and
-- rests_until, which are not in the list; the keys of webhooks are never shown.
CREATE TRIGGER notifications_subscription_is_audited
  AFTER INSERT OR DELETE OR UPDATE OF repo_id, person_id, notifier, target, topics, quiet_from, quiet_until,
    time_zone, is_active, secret_key ON notifications_subscription
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{key,secret_key,previous_secret_key}',
    '{repo_id,person_id,notifier,target,topics,quiet_from,quiet_until,time_zone,is_active,secret_key}');
