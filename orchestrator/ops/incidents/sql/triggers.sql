-- The triggers of incidents as they are now. A migration creates them from its own frozen copy
-- (migrations/0001_initial.sql).


-- function: incidents_guard_move
-- An incident moves along its table of transitions only, and one that is resolved stays as it is.
CREATE FUNCTION incidents_guard_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'resolved' THEN
    RAISE EXCEPTION 'incident % is resolved and stays as it is', OLD.id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER incidents_guard_move BEFORE UPDATE ON incidents_incident
  FOR EACH ROW EXECUTE FUNCTION incidents_guard_move();


-- function: incidents_entry_is_kept
-- A timeline stays as it was written: nobody changes or deletes an entry, not even by hand.
CREATE FUNCTION incidents_entry_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a timeline stays as it was written: % of entry % refused', TG_OP, OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER incidents_entry_is_kept BEFORE UPDATE OR DELETE ON incidents_incidententry
  FOR EACH ROW EXECUTE FUNCTION incidents_entry_is_kept();
