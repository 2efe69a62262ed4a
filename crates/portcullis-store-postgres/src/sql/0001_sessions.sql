-- Sessions: a row for each owner, which is what commits lock, and one for each session.

CREATE TABLE IF NOT EXISTS {schema}.owners (
  owner bytea PRIMARY KEY CHECK (octet_length(owner) = 16),
  revision bigint NOT NULL,
  -- NULL for ever.
  kept_until bigint
);
CREATE INDEX IF NOT EXISTS owners_kept_until ON {schema}.owners (kept_until);

CREATE TABLE IF NOT EXISTS {schema}.sessions (
  owner bytea NOT NULL CHECK (octet_length(owner) = 16),
  key bytea NOT NULL CHECK (octet_length(key) = 16),
  -- What touches look at and change. The record has the rest, in a layout with versions of its own.
  id bytea NOT NULL CHECK (octet_length(id) = 16),
  -- 0 is live, 1 is provisional until `state_at`; all else is over since then.
  state smallint NOT NULL,
  state_at bigint NOT NULL,
  active_at bigint NOT NULL,
  ends_at bigint NOT NULL,
  -- In seconds.
  idle bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY (owner, key)
) WITH (fillfactor = 80);

-- The revision of an owner as it is told: with the number of the life, so that what was loaded
-- before a loss is not taken for what is as old after it.
CREATE OR REPLACE FUNCTION {schema}.told(epoch bigint, revision bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT (epoch & 32767) << 48 | revision $$;

-- The revision of nobody: another one on each day, since nobody is forgotten on the day on which
-- he was last changed. So nobody who begins has one that somebody had who was forgotten.
CREATE OR REPLACE FUNCTION {schema}.nobody(since bigint, clock bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT least(65535, greatest(0, floor((clock::numeric - since) / 86400000)))::bigint << 32
$$;

CREATE OR REPLACE FUNCTION {schema}.session_load(seen bytea, his bytea, clock bigint)
RETURNS TABLE (
  flushed bigint, revision bigint,
  key bytea, id bytea, state smallint, state_at bigint, active_at bigint, record bytea
)
-- One snapshot for all of it: `STABLE` is what makes it so.
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  flushed := {schema}.whole(seen);
  revision := (
    SELECT {schema}.told(l.epoch, coalesce(o.revision, {schema}.nobody(l.since, clock)))
    FROM {schema}.life AS l LEFT JOIN {schema}.owners AS o ON o.owner = his
  );
  RETURN NEXT;
  RETURN QUERY
    SELECT NULL::bigint, NULL::bigint,
      s.key, s.id, s.state, s.state_at, s.active_at, s.record
    FROM {schema}.sessions AS s WHERE s.owner = his ORDER BY s.key;
END $$;

-- kept  until when what is changed so is of use; NULL for ever
-- ids   of what is put; NULL of what is removed
CREATE OR REPLACE FUNCTION {schema}.session_commit(
  seen bytea, his bytea, expected bigint, kept bigint, clock bigint,
  keys bytea[], ids bytea[], states smallint[], state_ats bigint[], active_ats bigint[],
  ends_ats bigint[], idles bigint[], records bytea[],
  OUT flushed bigint, OUT is_done boolean
)
LANGUAGE plpgsql AS $$
DECLARE
  found_owner record;
  now_life record;
  is_new boolean := false;
  current_revision bigint;
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  is_done := false;
  LOOP
    -- All who change sessions of his wait here for each other.
    SELECT o.revision, o.kept_until INTO found_owner
    FROM {schema}.owners AS o WHERE o.owner = his FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO {schema}.owners (owner, revision, kept_until) VALUES (his, 0, clock)
    ON CONFLICT DO NOTHING;
    is_new := FOUND;
    EXIT WHEN is_new;
    -- Somebody was faster, and may have given up.
  END LOOP;
  SELECT l.epoch, l.since INTO now_life FROM {schema}.life AS l;
  IF is_new THEN
    current_revision := {schema}.nobody(now_life.since, clock);
  ELSE
    current_revision := found_owner.revision;
  END IF;
  IF {schema}.told(now_life.epoch, current_revision) IS DISTINCT FROM expected THEN
    IF is_new THEN
      DELETE FROM {schema}.owners AS o WHERE o.owner = his;
    END IF;
    RETURN;
  END IF;
  FOR n IN 1 .. coalesce(array_length(keys, 1), 0) LOOP
    IF ids[n] IS NULL THEN
      DELETE FROM {schema}.sessions AS s WHERE s.owner = his AND s.key = keys[n];
    ELSE
      INSERT INTO {schema}.sessions AS s
        (owner, key, id, state, state_at, active_at, ends_at, idle, record)
      VALUES (
        his, keys[n], ids[n], states[n], state_ats[n], active_ats[n], ends_ats[n], idles[n],
        records[n]
      )
      -- The same session takes over what has happened in it.
      ON CONFLICT (owner, key) DO UPDATE SET
        id = excluded.id,
        state = CASE WHEN s.id = excluded.id AND excluded.state = 1
          THEN s.state ELSE excluded.state END,
        state_at = CASE WHEN s.id = excluded.id AND excluded.state = 1
          THEN s.state_at ELSE excluded.state_at END,
        active_at = CASE WHEN s.id = excluded.id
          THEN greatest(s.active_at, excluded.active_at) ELSE excluded.active_at END,
        ends_at = excluded.ends_at, idle = excluded.idle, record = excluded.record;
    END IF;
  END LOOP;
  UPDATE {schema}.owners AS o SET
    revision = current_revision + 1,
    kept_until = CASE WHEN kept IS NULL OR o.kept_until IS NULL
      THEN NULL ELSE greatest(o.kept_until, kept) END
  WHERE o.owner = his;
  is_done := true;
  -- Some of those whose time is over, a day later: the clocks of two servers differ. Nobody is
  -- waited for.
  WITH old AS (
    SELECT o.owner FROM {schema}.owners AS o
    WHERE o.kept_until < clock - 86400000 AND o.owner <> his
    ORDER BY o.kept_until LIMIT 8 FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM {schema}.sessions AS s USING old WHERE s.owner = old.owner
  )
  DELETE FROM {schema}.owners AS o USING old WHERE o.owner = old.owner;
END $$;

CREATE OR REPLACE FUNCTION {schema}.session_touch(
  seen bytea, his bytea, his_key bytea, his_id bytea, at bigint,
  OUT flushed bigint, OUT begins boolean
)
LANGUAGE plpgsql AS $$
DECLARE
  kept record;
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  begins := false;
  -- A commit that changes it waits for this, or this for the commit.
  SELECT s.* INTO kept FROM {schema}.sessions AS s
  WHERE s.owner = his AND s.key = his_key FOR UPDATE;
  IF FOUND
    AND kept.id = his_id AND kept.state IN (0, 1)
    AND (kept.state = 0 OR at < kept.state_at)
    AND at < kept.ends_at
    AND at < kept.active_at::numeric + kept.idle * 1000
  THEN
    begins := kept.state = 1;
    UPDATE {schema}.sessions AS s SET
      state = 0, state_at = 0, active_at = greatest(s.active_at, at)
    WHERE s.owner = his AND s.key = his_key;
  END IF;
  IF NOT begins THEN
    -- It may get lost, so nobody waits for the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
END $$;
