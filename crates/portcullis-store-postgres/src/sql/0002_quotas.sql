-- Quotas: a row for each budget that is not paid off. Times are in microseconds since 1970.

-- Neither logged nor waited for: a budget is of use for a while, and a crash that empties the table
-- gives away one burst for each. There is no index by time, so that a row is changed in place.
CREATE UNLOGGED TABLE IF NOT EXISTS {schema}.quotas (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 16),
  -- When all that was spent is paid off.
  paid_at bigint NOT NULL
) WITH (fillfactor = 50);

-- Charges several budgets, or none of them.
--
-- of each    after how long one cell comes back, after how long all do, and after how long those that
--            are to be taken do
-- clock      the time; NULL for that of the server, which is one for all who ask
-- numbers    of each how many cells are left, or how long until there are so many
CREATE OR REPLACE FUNCTION {schema}.quota_charge(
  seen bytea, keys bytea[], intervals bigint[], windows bigint[], costs bigint[], clock bigint,
  OUT flushed bigint, OUT is_paid boolean, OUT numbers bigint[]
)
LANGUAGE plpgsql AS $$
DECLARE
  place integer;
  kept bigint;
  moment bigint;
  owes bigint;
  paid_ats bigint[] := '{}';
  left_over bigint[] := '{}';
  waits bigint[] := '{}';
  is_new boolean := false;
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  -- Always in the order of the keys, so that nobody waits in a circle.
  FOR place IN
    SELECT k.n FROM unnest(keys) WITH ORDINALITY AS k (key, n) ORDER BY k.key
  LOOP
    LOOP
      SELECT q.paid_at INTO kept FROM {schema}.quotas AS q WHERE q.key = keys[place] FOR UPDATE;
      IF FOUND THEN
        EXIT;
      END IF;
      kept := 0;
      INSERT INTO {schema}.quotas (key, paid_at) VALUES (keys[place], kept) ON CONFLICT DO NOTHING;
      IF FOUND THEN
        is_new := true;
        EXIT;
      END IF;
      -- Somebody else has made it meanwhile, or is about to.
    END LOOP;
    paid_ats[place] := kept;
  END LOOP;
  -- Only now: whoever has waited comes after all for whom he did.
  moment := coalesce(clock, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
  is_paid := true;
  FOR place IN 1 .. cardinality(keys) LOOP
    owes := greatest(paid_ats[place] - moment, 0);
    IF clock IS NULL AND owes > windows[place] THEN
      -- The clock of the server was set back, or the quota is a smaller one. Nobody has to wait for
      -- longer than for all of it.
      owes := windows[place];
      UPDATE {schema}.quotas AS q SET paid_at = moment + owes WHERE q.key = keys[place];
    END IF;
    owes := owes + costs[place];
    paid_ats[place] := moment + owes;
    is_paid := is_paid AND owes <= windows[place];
    left_over[place] := greatest(windows[place] - owes, 0) / intervals[place];
    waits[place] := greatest(owes - windows[place], 0);
  END LOOP;
  IF NOT is_paid THEN
    numbers := waits;
    RETURN;
  END IF;
  numbers := left_over;
  FOR place IN 1 .. cardinality(keys) LOOP
    UPDATE {schema}.quotas AS q SET paid_at = paid_ats[place] WHERE q.key = keys[place];
  END LOOP;
  IF is_new THEN
    -- With each that comes, some of those whose time is over, a minute later: those next to it, and
    -- keys are spread by chance. Nobody is waited for.
    WITH near AS MATERIALIZED (
      SELECT n.key FROM {schema}.quotas AS n WHERE n.key > keys[1] ORDER BY n.key LIMIT 16
    ), old AS MATERIALIZED (
      SELECT o.key FROM {schema}.quotas AS o
      WHERE o.key IN (SELECT near.key FROM near) AND o.paid_at < moment - 60000000
      FOR UPDATE SKIP LOCKED
    )
    DELETE FROM {schema}.quotas AS q USING old WHERE q.key = old.key;
  END IF;
END $$;

INSERT INTO {schema}.migrations (version, readable_since) VALUES (2, 1) ON CONFLICT DO NOTHING;
