-- function: onboarding_vote_is_kept
-- A vote stays as it was cast: nobody changes or deletes one, not even by hand.
CREATE FUNCTION onboarding_vote_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a vote stays as it was cast: % of vote % refused', TG_OP, OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER onboarding_vote_is_kept BEFORE UPDATE OR DELETE ON onboarding_rolloutvote
  FOR EACH ROW EXECUTE FUNCTION onboarding_vote_is_kept();
