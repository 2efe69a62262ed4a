-- KEYS[2]   the sessions of an owner
-- ARGV[7]   the revision that is expected
-- ARGV[8]   until when they are of use: a time, or 'ever'
-- ARGV[9]   the time by which that was computed
-- ARGV[10..] the changes: 'put' or 'remove', the field, the session

local kept = redis.call('HMGET', KEYS[2], 'revision', 'until')
local revision = kept[1]
if not revision then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    return damaged('the sessions of an owner')
  end
  revision = text(of_nobody() * 4294967296)
end
if is_stale or revision ~= ARGV[7] then
  return answer('conflict')
end

-- All is read and computed before anything is written.
local changed, order = {}, {}
for n = 10, #ARGV, 3 do
  local field, new = ARGV[n + 1], ARGV[n + 2]
  local old = changed[field]
  if old == nil then
    old = redis.call('HGET', KEYS[2], field)
    order[#order + 1] = field
  end
  if old and #old < 45 then
    return damaged('a session')
  end
  if ARGV[n] == 'remove' then
    changed[field] = false
  else
    -- The same session takes over what has happened in it.
    if old and string.sub(old, 1, 16) == string.sub(new, 1, 16) then
      local state = string.sub(new, 17, 25)
      if string.byte(state, 1) == 1 then
        state = string.sub(old, 17, 25)
      end
      local active = string.sub(new, 26, 33)
      local before = string.sub(old, 26, 33)
      if is_later(before, active) then
        active = before
      end
      new = string.sub(new, 1, 16) .. state .. active .. string.sub(new, 34)
    end
    changed[field] = new
  end
end

local is_of_use = ARGV[8]
if kept[2] == 'ever' or is_of_use ~= 'ever' and tonumber(kept[2] or '0') > tonumber(is_of_use) then
  is_of_use = kept[2]
end
count_write()
redis.call('HSET', KEYS[2], 'revision', text(tonumber(revision) + 1), 'until', is_of_use)
for _, field in ipairs(order) do
  if changed[field] then
    redis.call('HSET', KEYS[2], field, changed[field])
  else
    redis.call('HDEL', KEYS[2], field)
  end
end
local millis = is_of_use ~= 'ever' and stays(tonumber(is_of_use), tonumber(ARGV[9]))
if millis then
  redis.call('PEXPIRE', KEYS[2], millis)
else
  redis.call('PERSIST', KEYS[2])
end
return answer('done')
