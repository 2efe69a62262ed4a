-- KEYS[2]  the keys, by id
-- KEYS[3]  the ids, by owner
-- ARGV[7]  the id
-- ARGV[8]  the revision that is expected
-- ARGV[9]  the key
-- ARGV[10] its owner, as entries begin with it

if is_stale then
  return answer('lost')
end
local new, owner = ARGV[9], ARGV[10]
local kept = redis.call('HGET', KEYS[2], ARGV[7])
local before
if kept then
  if #kept < 20 then
    return damaged('an api key')
  end
  before = string.sub(kept, 17, 20 + length_of(string.sub(kept, 17, 20)))
end
local revision = kept and string.sub(kept, 1, 8) or string.rep('\0', 8)
if revision ~= ARGV[8] then
  return answer('conflict')
end
-- Read as well before anything is written: it may be something else.
redis.call('ZCARD', KEYS[3])
if kept and is_later(string.sub(kept, 9, 16), string.sub(new, 9, 16)) then
  new = string.sub(new, 1, 8) .. string.sub(kept, 9, 16) .. string.sub(new, 17)
end
count_write()
redis.call('HSET', KEYS[2], ARGV[7], new)
if before and before ~= owner then
  redis.call('ZREM', KEYS[3], before .. ARGV[7])
end
redis.call('ZADD', KEYS[3], '0', owner .. ARGV[7])
return answer('done')
