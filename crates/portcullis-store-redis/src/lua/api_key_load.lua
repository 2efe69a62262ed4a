-- KEYS[2]  the keys, by id
-- ARGV[7]  the id

if is_stale then
  return answer('lost')
end
return answer({redis.call('HGET', KEYS[2], ARGV[7])})
