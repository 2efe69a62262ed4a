-- Which life of the store this is, and which schema it has.
--
-- All of it can be run again at any time. `{schema}` stands for the name of the schema. Times are
-- in milliseconds since 1970, by the clocks of those who ask. All names are qualified: what a role
-- has in its `search_path` is never meant.

-- An older program goes on beside a newer one, if the newest schema says that it may.
CREATE TABLE IF NOT EXISTS {schema}.migrations (
  version integer PRIMARY KEY,
  readable_since integer NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now()
);

-- One row, which tells whether what was kept is still all there.
CREATE TABLE IF NOT EXISTS {schema}.life (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- Another one after each loss.
  name bytea NOT NULL,
  -- The names that were seen when the last loss was noticed.
  before bytea[] NOT NULL DEFAULT '{}',
  -- Where it is: the cluster and the database, the timeline, and this table. Another place is one
  -- that a backup was restored to, or a replica that was promoted.
  cluster text,
  timeline text,
  home oid,
  -- How often something was lost.
  epoch bigint NOT NULL DEFAULT 0,
  -- When it was first used.
  since bigint,
  -- What is no later may be gone: sessions and revocations; one-time credentials, by their end.
  lost bigint,
  replays_lost bigint,
  -- The longest time that a one-time credential had left when it was used.
  longest bigint NOT NULL DEFAULT 0
);

INSERT INTO {schema}.life (name)
VALUES (decode(replace(gen_random_uuid()::text, '-', ''), 'hex'))
ON CONFLICT DO NOTHING;

-- Up to where the log of the server is on its disk, if this is still the life that the asking
-- process has seen; otherwise NULL, and nothing is done before it has looked again (`visit`).
CREATE OR REPLACE FUNCTION {schema}.whole(seen bytea) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint
    FROM {schema}.life
    WHERE life.name = seen AND life.home = life.tableoid
  );
END $$;

-- Looks whether something was lost, writes it down for the others if so, and says which life this
-- is. Asked on each new connection. It writes only if there is something new.
--
-- seen          the name of the life that the asking process has seen last; NULL if none
-- seen_epoch    its number
-- seen_longest  the longest time of a one-time credential there
-- seen_place    where it was
-- seen_flushed  up to where the log was on the disk there
-- clock         the time
-- trusts        whether another timeline alone is no loss
CREATE OR REPLACE FUNCTION {schema}.visit(
  seen bytea, seen_epoch bigint, seen_longest bigint, seen_place text, seen_flushed bigint,
  clock bigint, trusts boolean,
  OUT name bytea, OUT epoch bigint, OUT lost bigint, OUT replays_lost bigint, OUT longest bigint,
  OUT place text, OUT flushed bigint
)
LANGUAGE plpgsql AS $$
DECLARE
  life record;
  now_cluster text;
  now_timeline text;
  is_locked boolean := false;
  is_known boolean;
  is_lost boolean;
BEGIN
  IF pg_is_in_recovery() THEN
    RAISE 'a replica' USING ERRCODE = 'read_only_sql_transaction';
  END IF;
  now_cluster := (
    SELECT control.system_identifier || '/' || base.oid
    FROM pg_control_system() AS control, pg_database AS base
    WHERE base.datname = current_database()
  );
  now_timeline := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
  place := now_cluster || '/' || now_timeline;
  flushed := (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint;
  LOOP
    IF is_locked THEN
      SELECT l.*, l.tableoid AS here INTO life FROM {schema}.life AS l FOR UPDATE;
    ELSE
      SELECT l.*, l.tableoid AS here INTO life FROM {schema}.life AS l;
    END IF;
    IF NOT FOUND THEN
      RAISE 'the row of `life`' USING ERRCODE = 'PC001';
    END IF;
    is_known := seen IS NULL OR seen = life.name OR seen = ANY (life.before);
    is_lost := life.cluster IS NOT NULL AND (
      life.cluster <> now_cluster OR life.home <> life.here
      OR life.timeline <> now_timeline AND NOT trusts
    ) OR NOT is_known
      -- What was on the disk of a server is there after a crash.
      OR seen = life.name AND seen_place = place AND seen_flushed > flushed;
    EXIT WHEN is_locked OR NOT is_lost
      AND life.cluster = now_cluster AND life.timeline = now_timeline AND life.home = life.here;
    is_locked := true;
  END LOOP;
  name := life.name;
  epoch := life.epoch;
  lost := life.lost;
  longest := greatest(life.longest, seen_longest);
  replays_lost := life.replays_lost;
  IF is_lost THEN
    name := decode(replace(gen_random_uuid()::text, '-', ''), 'hex');
    epoch := greatest(life.epoch, seen_epoch) + 1;
    -- The clock of an issuer may be ahead by a minute.
    lost := greatest(life.lost, clock + 60000);
    replays_lost := greatest(life.replays_lost, clock + longest);
  END IF;
  IF is_locked THEN
    UPDATE {schema}.life AS l SET
      name = visit.name,
      before = CASE WHEN is_lost THEN array_remove(ARRAY[life.name, seen], NULL) ELSE l.before END,
      cluster = now_cluster, timeline = now_timeline, home = life.here,
      epoch = visit.epoch, since = coalesce(l.since, clock),
      lost = visit.lost, replays_lost = visit.replays_lost, longest = visit.longest;
  END IF;
END $$;
