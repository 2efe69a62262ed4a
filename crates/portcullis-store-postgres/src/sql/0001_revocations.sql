-- Revocations: a row for each cut-off.

CREATE TABLE IF NOT EXISTS {schema}.revocations (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 16),
  cut_off bigint NOT NULL,
  kept_until bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS revocations_kept_until ON {schema}.revocations (kept_until);

CREATE OR REPLACE FUNCTION {schema}.revocation_look(
  seen bytea, keys bytea[], OUT flushed bigint, OUT latest bigint
)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  flushed := {schema}.whole(seen);
  latest := (SELECT max(r.cut_off) FROM {schema}.revocations AS r WHERE r.key = ANY (keys));
END $$;

CREATE OR REPLACE FUNCTION {schema}.revocation_revoke(
  seen bytea, his_key bytea, his_cut_off bigint, kept bigint, clock bigint, OUT flushed bigint
)
LANGUAGE plpgsql AS $$
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO {schema}.revocations AS r (key, cut_off, kept_until)
  VALUES (his_key, his_cut_off, kept)
  ON CONFLICT (key) DO UPDATE SET
    cut_off = greatest(r.cut_off, excluded.cut_off),
    kept_until = greatest(r.kept_until, excluded.kept_until);
  -- Some of those whose time is over, a day later: the clocks of two servers differ. Nobody is
  -- waited for.
  DELETE FROM {schema}.revocations AS r USING (
    SELECT o.key FROM {schema}.revocations AS o
    WHERE o.kept_until < clock - 86400000 AND o.key <> his_key
    ORDER BY o.kept_until LIMIT 8 FOR UPDATE SKIP LOCKED
  ) AS old
  WHERE r.key = old.key;
END $$;
