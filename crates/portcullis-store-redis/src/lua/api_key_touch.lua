-- KEYS[2]  the keys, by id
-- ARGV[7]  the id
-- ARGV[8]  when it was used

if is_stale then
  return answer('lost')
end
local kept = redis.call('HGET', KEYS[2], ARGV[7])
if kept then
  if #kept < 20 then
    return damaged('an api key')
  end
  if is_later(ARGV[8], string.sub(kept, 9, 16)) then
    kept = string.sub(kept, 1, 8) .. ARGV[8] .. string.sub(kept, 17)
    redis.call('HSET', KEYS[2], ARGV[7], kept)
  end
end
return answer('done')
