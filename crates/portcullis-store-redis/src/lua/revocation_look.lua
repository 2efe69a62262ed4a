-- KEYS[2..]  the cut-offs

local latest = ''
for n = 2, #KEYS do
  local kept = redis.call('GET', KEYS[n])
  if kept then
    if #kept ~= 17 or string.byte(kept, 1) ~= 1 then
      return damaged('a cut-off')
    end
    local cut_off = string.sub(kept, 2, 9)
    if latest == '' or is_later(cut_off, latest) then
      latest = cut_off
    end
  end
end
return answer(latest)
