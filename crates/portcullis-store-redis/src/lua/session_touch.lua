-- KEYS[2]  the sessions of an owner
-- ARGV[7]  the field of the session
-- ARGV[8]  its name
-- ARGV[9]  the time of its activity

local kept = redis.call('HGET', KEYS[2], ARGV[7])
if not kept then
  return answer('0')
end
if #kept < 45 then
  return damaged('a session')
end
local state, active = string.byte(kept, 17), string.sub(kept, 26, 33)
local at = number_of(ARGV[9])
local idle = number_of('\128\0\0\0' .. string.sub(kept, 42, 45)) * 1000
if string.sub(kept, 1, 16) ~= ARGV[8]
  or state > 1
  or state == 1 and at >= number_of(string.sub(kept, 18, 25))
  or at >= number_of(string.sub(kept, 34, 41))
  or at >= number_of(active) + idle
then
  return answer('0')
end
if is_later(ARGV[9], active) then
  active = ARGV[9]
elseif state == 0 then
  return answer('0')
end
local live = '\0\128\0\0\0\0\0\0\0'
redis.call(
  'HSET', KEYS[2], ARGV[7],
  string.sub(kept, 1, 16) .. live .. active .. string.sub(kept, 34))
return answer(tostring(state))
