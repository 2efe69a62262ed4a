-- KEYS[2]  the keys, by id
-- KEYS[3]  the ids, by owner
-- ARGV[7]  the id
-- ARGV[8]  the revision that is expected

if is_stale then
  return answer('lost')
end
local kept = redis.call('HGET', KEYS[2], ARGV[7])
if kept and #kept < 20 then
  return damaged('an api key')
end
local revision = kept and string.sub(kept, 1, 8) or string.rep('\0', 8)
if revision ~= ARGV[8] then
  return answer('conflict')
end
if kept then
  redis.call('ZCARD', KEYS[3])
  count_write()
  local owner = string.sub(kept, 17, 20 + length_of(string.sub(kept, 17, 20)))
  redis.call('ZREM', KEYS[3], owner .. ARGV[7])
  redis.call('HDEL', KEYS[2], ARGV[7])
end
return answer('done')
