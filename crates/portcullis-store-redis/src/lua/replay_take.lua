-- KEYS[2]  what an owner has taken, by the time until which it is remembered
-- ARGV[7]  the key of the credential
-- ARGV[8]  when the credential ends
-- ARGV[9]  until when it is remembered
-- ARGV[10] how many of an owner are remembered
-- ARGV[11] the time by which all that was computed

if redis.call('ZSCORE', KEYS[2], ARGV[7]) then
  return answer('seen')
end
-- What ends later than all that can have been taken before a loss has not been taken.
if lost and tonumber(ARGV[8]) <= lost then
  return answer('lost')
end
local share = tonumber(ARGV[10])
if redis.call('ZCARD', KEYS[2]) >= share then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[11])
  if redis.call('ZCARD', KEYS[2]) >= share then
    return answer('full')
  end
end
count_write()
if span > tonumber(found[7] or '0') then
  redis.call('HSET', KEYS[1], 'span', text(span))
end
redis.call('ZADD', KEYS[2], ARGV[9], ARGV[7])
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local millis = stays(tonumber(last[2]), tonumber(ARGV[11]))
if millis then
  redis.call('PEXPIRE', KEYS[2], millis)
else
  redis.call('PERSIST', KEYS[2])
end
return answer('fresh')
