-- The trigger of reports as it is now. A migration creates it from its own frozen copy
-- (migrations/0001_initial.sql).


-- function: reports_report_is_kept
-- A report stays as it was written: nobody changes or deletes one, not even by hand.
CREATE FUNCTION reports_report_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a report stays as it was written: % of the % report of % refused', TG_OP, OLD.kind, OLD.last
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER reports_report_is_kept BEFORE UPDATE OR DELETE ON reports_report
  FOR EACH ROW EXECUTE FUNCTION reports_report_is_kept();
