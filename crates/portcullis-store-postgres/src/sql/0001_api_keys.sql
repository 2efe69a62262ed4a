-- API keys: a row for each.

CREATE TABLE IF NOT EXISTS {schema}.api_keys (
  -- As bytes, so that they sort as such in any locale.
  id bytea PRIMARY KEY,
  -- A hash of his name: names have any length.
  owner bytea NOT NULL CHECK (octet_length(owner) = 32),
  revision bigint NOT NULL,
  used_at bigint,
  key bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS api_keys_owner ON {schema}.api_keys (owner, id);

CREATE OR REPLACE FUNCTION {schema}.api_key_load(
  seen bytea, his_id bytea,
  OUT flushed bigint, OUT revision bigint, OUT used_at bigint, OUT key bytea
)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  flushed := {schema}.whole(seen);
  SELECT k.revision, k.used_at, k.key INTO revision, used_at, key
  FROM {schema}.api_keys AS k WHERE k.id = his_id;
END $$;

CREATE OR REPLACE FUNCTION {schema}.api_key_list(
  seen bytea, owner_name bytea, after bytea, at_most bigint
)
RETURNS TABLE (flushed bigint, revision bigint, used_at bigint, key bytea)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  flushed := {schema}.whole(seen);
  RETURN NEXT;
  RETURN QUERY
    SELECT NULL::bigint, k.revision, k.used_at, k.key FROM {schema}.api_keys AS k
    WHERE k.owner = sha256(owner_name) AND k.id > after ORDER BY k.id LIMIT at_most;
END $$;

CREATE OR REPLACE FUNCTION {schema}.api_key_put(
  seen bytea, his_id bytea, owner_name bytea, expected bigint, next bigint, used bigint,
  new_key bytea,
  OUT flushed bigint, OUT is_done boolean
)
LANGUAGE plpgsql AS $$
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  -- Of two who write the same, the second one finds what the first one has written.
  IF expected = 0 THEN
    INSERT INTO {schema}.api_keys (id, owner, revision, used_at, key)
    VALUES (his_id, sha256(owner_name), next, used, new_key)
    ON CONFLICT DO NOTHING;
  ELSE
    UPDATE {schema}.api_keys AS k SET
      owner = sha256(owner_name), revision = next, used_at = greatest(k.used_at, used),
      key = new_key
    WHERE k.id = his_id AND k.revision = expected;
  END IF;
  is_done := FOUND;
END $$;

CREATE OR REPLACE FUNCTION {schema}.api_key_remove(
  seen bytea, his_id bytea, expected bigint, OUT flushed bigint, OUT is_done boolean
)
LANGUAGE plpgsql AS $$
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  DELETE FROM {schema}.api_keys AS k WHERE k.id = his_id AND k.revision = expected;
  is_done := FOUND
    OR expected = 0 AND NOT EXISTS (SELECT FROM {schema}.api_keys AS k WHERE k.id = his_id);
END $$;

CREATE OR REPLACE FUNCTION {schema}.api_key_touch(
  seen bytea, his_id bytea, at bigint, OUT flushed bigint
)
LANGUAGE plpgsql AS $$
BEGIN
  flushed := {schema}.whole(seen);
  IF flushed IS NULL THEN
    RETURN;
  END IF;
  UPDATE {schema}.api_keys AS k SET used_at = at
  WHERE k.id = his_id AND (k.used_at IS NULL OR k.used_at < at);
  -- It may get lost, so nobody waits for the disk.
  PERFORM set_config('synchronous_commit', 'off', true);
END $$;

INSERT INTO {schema}.migrations (version, readable_since) VALUES (1, 1) ON CONFLICT DO NOTHING;
