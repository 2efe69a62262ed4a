-- The same as before, but for what more than one process knows of a loss.

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
  ends bigint;
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
    -- One that was there before the loss, and was not the one that noticed it, may know of credentials
    -- that last longer.
    ends := CASE WHEN seen <> life.name AND seen = ANY (life.before)
      THEN life.lost - 60000 + seen_longest END;
    EXIT WHEN is_locked OR NOT is_lost AND ends IS NULL
      AND life.cluster = now_cluster AND life.timeline = now_timeline AND life.home = life.here;
    is_locked := true;
  END LOOP;
  name := life.name;
  epoch := life.epoch;
  lost := life.lost;
  longest := greatest(life.longest, seen_longest);
  replays_lost := greatest(life.replays_lost, ends);
  IF is_lost THEN
    name := decode(replace(gen_random_uuid()::text, '-', ''), 'hex');
    epoch := greatest(life.epoch, seen_epoch) + 1;
    -- The clock of an issuer may be ahead by a minute.
    lost := greatest(life.lost, clock + 60000);
    replays_lost := greatest(replays_lost, clock + longest);
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
