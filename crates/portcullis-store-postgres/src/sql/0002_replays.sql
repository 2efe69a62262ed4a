-- One-time credentials that were used: whoever comes with one of them again waits for nobody, and what
-- an owner has used is kept for as long as that of all others, however many he uses.

-- How many of an owner count.
CREATE INDEX IF NOT EXISTS taken_of_owner ON {schema}.taken (owner, kept_until);

-- ends   when the credential ends
-- kept   until when it is remembered
-- share  how many of one owner are remembered
-- span   how long it still lasts, or somewhat longer
CREATE OR REPLACE FUNCTION {schema}.replay_take(
  seen bytea, his bytea, his_key bytea, ends bigint, kept bigint, share bigint, span bigint,
  clock bigint,
  OUT flushed bigint, OUT outcome text
)
LANGUAGE plpgsql AS $$
DECLARE
  now_life record;
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  -- What was used stays so, and nobody has to wait to be told.
  IF EXISTS (SELECT FROM {schema}.taken AS t WHERE t.owner = his AND t.key = his_key) THEN
    outcome := 'seen';
    RETURN;
  END IF;
  -- All who take one of his wait here for each other.
  INSERT INTO {schema}.takers AS t (owner, kept_until) VALUES (his, kept)
  ON CONFLICT (owner) DO UPDATE SET kept_until = greatest(t.kept_until, excluded.kept_until);
  IF EXISTS (SELECT FROM {schema}.taken AS t WHERE t.owner = his AND t.key = his_key) THEN
    outcome := 'seen';
    RETURN;
  END IF;
  SELECT l.replays_lost, l.longest INTO now_life FROM {schema}.life AS l;
  -- What ends later than all that can have been taken before a loss has not been taken.
  IF ends <= now_life.replays_lost THEN
    outcome := 'lost';
    RETURN;
  END IF;
  -- Those whose time is over do not count, and are not thrown away for it: by the clock of somebody
  -- else it may not be.
  IF (
    SELECT count(*) FROM (
      SELECT FROM {schema}.taken AS t WHERE t.owner = his AND t.kept_until > clock LIMIT share
    ) AS counted
  ) >= share THEN
    outcome := 'full';
    RETURN;
  END IF;
  INSERT INTO {schema}.taken (owner, key, kept_until) VALUES (his, his_key, kept);
  outcome := 'fresh';
  -- Some of those whose time is over, an hour later: the clocks of two servers differ. Nobody is
  -- waited for.
  DELETE FROM {schema}.taken AS t USING (
    SELECT o.owner, o.key FROM {schema}.taken AS o
    WHERE o.kept_until < clock - 3600000
    ORDER BY o.kept_until LIMIT 8 FOR UPDATE SKIP LOCKED
  ) AS old
  WHERE t.owner = old.owner AND t.key = old.key;
  DELETE FROM {schema}.takers AS t USING (
    SELECT o.owner FROM {schema}.takers AS o
    WHERE o.kept_until < clock - 3600000 AND o.owner <> his
    ORDER BY o.kept_until LIMIT 8 FOR UPDATE SKIP LOCKED
  ) AS old
  WHERE t.owner = old.owner;
  -- Last of all: whoever waits here is waited for by nobody whom he could wait for.
  IF span > now_life.longest THEN
    UPDATE {schema}.life AS l SET longest = greatest(l.longest, span);
  END IF;
END $$;
