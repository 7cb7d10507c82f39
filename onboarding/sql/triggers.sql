-- The triggers of onboarding as they are now. A migration creates them from its own frozen copy
-- (migrations/0002_audit_trail.sql, 0003_step_triggers.sql, 0004_rollout_votes.sql).


-- trigger: onboarding_onboardingrequest_is_audited
-- Who has approved or rejected a request is in the audit trail (core/sql/triggers.sql).
CREATE TRIGGER onboarding_onboardingrequest_is_audited
  AFTER DELETE OR UPDATE ON onboarding_onboardingrequest
  FOR EACH ROW EXECUTE FUNCTION core_audit_change('id', '{}', '{}');


-- function: onboarding_complete_request
-- Gives a new request its reference: five characters that cannot be taken for each other, which no other
-- request has. A row of the release before says `requested` for what is `checking` now; the steps that it
-- lacks are added by the engine's look at what is due.
CREATE FUNCTION onboarding_complete_request() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  letters text := '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
BEGIN
  IF NEW.status = 'requested' THEN NEW.status := 'checking'; END IF;
  WHILE COALESCE(NEW.reference, '') = '' OR EXISTS (
    SELECT 1 FROM onboarding_onboardingrequest o WHERE o.reference = NEW.reference
  ) LOOP
    SELECT 'ONB-' || string_agg(substr(letters, 1 + get_byte(uuid_send(gen_random_uuid()), 0) % 32, 1), '')
    INTO NEW.reference FROM generate_series(1, 5);
  END LOOP;
  RETURN NEW;
END $$;

CREATE TRIGGER onboarding_complete_request BEFORE INSERT ON onboarding_onboardingrequest
  FOR EACH ROW EXECUTE FUNCTION onboarding_complete_request();


-- function: onboarding_refuse_transition
-- Refuses a change of status that the table of transitions (models/states.py) does not have.
CREATE FUNCTION onboarding_refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% cannot move from % to %', TG_TABLE_NAME, OLD.status, NEW.status
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;


-- trigger: onboarding_onboardingrequest_transition
-- The transitions of a request.
CREATE TRIGGER onboarding_onboardingrequest_transition BEFORE UPDATE OF status ON onboarding_onboardingrequest
  FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status || '>' || NEW.status = ANY ('{
    checking>queued, checking>rejected, checking>expired, checking>failed, checking>cancelled,
    queued>provisioning, queued>cancelled,
    provisioning>ready, provisioning>failed,
    ready>offboarding,
    failed>checking, failed>provisioning, failed>rejected, failed>cancelled, failed>offboarding,
    offboarding>offboarded, offboarding>undo_failed,
    undo_failed>offboarding
  }'::text[])))
  EXECUTE FUNCTION onboarding_refuse_transition();


-- trigger: onboarding_onboardingstep_transition
-- The transitions of a step.
CREATE TRIGGER onboarding_onboardingstep_transition BEFORE UPDATE OF status ON onboarding_onboardingstep
  FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status || '>' || NEW.status = ANY ('{
    pending>running, pending>skipped,
    running>pending, running>waiting, running>passed, running>failed, running>errored, running>skipped,
    waiting>running, waiting>skipped,
    failed>pending, failed>skipped,
    errored>pending, errored>skipped
  }'::text[])))
  EXECUTE FUNCTION onboarding_refuse_transition();


-- function: onboarding_vote_is_kept
-- A vote stays as it was cast: nobody changes or deletes one, not even by hand.
CREATE FUNCTION onboarding_vote_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a vote stays as it was cast: % of vote % refused', TG_OP, OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER onboarding_vote_is_kept BEFORE UPDATE OR DELETE ON onboarding_rolloutvote
  FOR EACH ROW EXECUTE FUNCTION onboarding_vote_is_kept();
