-- KEYS[2]  the cut-off
-- ARGV[7]  its time
-- ARGV[8]  until when it is kept
-- ARGV[9]  the time by which that was computed

local cut_off, kept_until = ARGV[7], ARGV[8]
local kept = redis.call('GET', KEYS[2])
if kept then
  if #kept ~= 17 or string.byte(kept, 1) ~= 1 then
    return damaged('a cut-off')
  end
  if is_later(string.sub(kept, 2, 9), cut_off) then
    cut_off = string.sub(kept, 2, 9)
  end
  if is_later(string.sub(kept, 10, 17), kept_until) then
    kept_until = string.sub(kept, 10, 17)
  end
end
count_write()
local millis = stays(number_of(kept_until), tonumber(ARGV[9]))
if millis then
  redis.call('SET', KEYS[2], '\1' .. cut_off .. kept_until, 'PX', millis)
else
  redis.call('SET', KEYS[2], '\1' .. cut_off .. kept_until)
end
return answer('')
