-- Charges several budgets, or none of them. Of each one number is kept: when all that was spent is
-- paid off.
--
-- KEYS     the budgets
-- ARGV[1]  the time, or '' for that of the server
-- ARGV[..] of each: after how long one cell comes back, after how long all do, and after how long
--          those that are to be taken do
--
-- Times are in microseconds since 1970. A double holds them exactly for 285 years.

local function text(number)
  return string.format('%.0f', number)
end

local now, is_own = tonumber(ARGV[1]), ARGV[1] == ''
if is_own then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local is_paid, owed, left, waits = true, {}, {'paid'}, {'spent'}
for n, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[3 * n - 1])
  local window = tonumber(ARGV[3 * n])
  local cost = tonumber(ARGV[3 * n + 1])
  local kept = redis.call('GET', key)
  local paid_at = kept and tonumber(kept) or now
  if kept and not string.find(kept, '^%d+$') then
    return redis.error_reply('PORTCULLIS a budget is damaged')
  end
  local owes = math.max(paid_at - now, 0)
  if is_own and owes > window then
    -- The clock of the server was set back, or the quota is a smaller one. Nobody has to wait for
    -- longer than for all of it.
    owes = window
    redis.call('SET', key, text(now + owes), 'PX', text(math.ceil(owes / 1000) + 60000))
  end
  owed[n] = owes + cost
  local rest = window - owed[n]
  if rest < 0 then
    is_paid = false
  end
  left[n + 1] = text(math.floor(math.max(rest, 0) / interval))
  waits[n + 1] = text(math.max(-rest, 0))
end

if not is_paid then
  return waits
end
for n, key in ipairs(KEYS) do
  -- A minute longer than it is of use: a clock that is set is set by less, as a rule.
  redis.call('SET', key, text(now + owed[n]), 'PX', text(math.ceil(owed[n] / 1000) + 60000))
end
return left
