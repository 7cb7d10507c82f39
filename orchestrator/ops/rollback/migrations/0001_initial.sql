-- function: rollback_guard_move
-- A rollback moves along its table of transitions only, so that what is over never comes back by itself.
CREATE FUNCTION rollback_guard_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.status, NEW.status) NOT IN (
    ('asked', 'applying'), ('asked', 'declined'), ('applying', 'in_force'), ('in_force', 'ended')
  ) THEN
    RAISE EXCEPTION 'rollback % cannot move from % to %', OLD.id, OLD.status, NEW.status
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER rollback_guard_move BEFORE UPDATE OF status ON rollback_rollback FOR EACH ROW
  WHEN (OLD.status <> NEW.status)
  EXECUTE FUNCTION rollback_guard_move();


-- function: rollback_row_is_kept
-- Votes and decisions stay as they were written: nobody changes or deletes one, not even by hand.
CREATE FUNCTION rollback_row_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% keeps its rows as they were written: % of % refused', TG_TABLE_NAME, TG_OP, OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER rollback_vote_is_kept BEFORE UPDATE OR DELETE ON rollback_rollbackvote
  FOR EACH ROW EXECUTE FUNCTION rollback_row_is_kept();

CREATE TRIGGER rollback_decision_is_kept BEFORE UPDATE OR DELETE ON rollback_triggerdecision
  FOR EACH ROW EXECUTE FUNCTION rollback_row_is_kept();
