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
