-- KEYS[2]  the sessions of an owner

return answer({text(of_nobody() * 4294967296), redis.call('HGETALL', KEYS[2])})
