-- The beginning of every script: it finds the marker of the bucket, or makes one, and notices
-- whether what was kept in the bucket is gone or has gone back.
--
-- KEYS[1]  the marker
-- ARGV[1]  the name of the marker that the asking process has seen last; '' if it has seen none
-- ARGV[2]  how many writes it has seen in the bucket
-- ARGV[3]  which revision it has seen nobody to have
-- ARGV[4]  a name for a new marker
-- ARGV[5]  the time
-- ARGV[6]  by how much what was lost may be later than the moment in which that is noticed
--
-- Times are in milliseconds since 1970. A double holds them exactly for 285 000 years.

local DAY = 86400000

local function text(number)
  return string.format('%.0f', number)
end

local function damaged(what)
  return redis.error_reply('PORTCULLIS ' .. what .. ' is damaged')
end

local now, span = tonumber(ARGV[5]), tonumber(ARGV[6])
local seen, seen_writes, seen_nobody = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local found =
  redis.call('HMGET', KEYS[1], 'name', 'writes', 'base', 'since', 'lost', 'before', 'span')
local name, before = found[1], found[6] or ''
local writes, base = tonumber(found[2] or '0'), tonumber(found[3] or '0')
local since, lost = tonumber(found[4] or '0'), tonumber(found[5] or '')
span = math.max(span, tonumber(found[7] or '0'))

-- Nobody who begins has a revision that somebody had who was forgotten: it is another one after
-- each loss, and on each day, since nobody is forgotten on the day on which he was last changed.
local function of_nobody()
  return base + math.floor(math.max(0, now - since) / DAY)
end

local is_gone = not name
local is_older = name == seen and writes < seen_writes
-- A process that knew of nothing has made another marker in the meantime.
local is_another = name and seen ~= '' and name ~= seen and before ~= seen

if is_gone or is_older or is_another then
  if is_gone then
    base, writes, before, lost = 0, 0, '', nil
  end
  if seen ~= '' then
    base = math.max(of_nobody(), seen_nobody) + 1
    lost = math.max(lost or now, now + span)
    before = seen
  end
  if not is_another then
    name = ARGV[4]
  end
  since = now
  redis.call(
    'HSET', KEYS[1], 'name', name, 'writes', text(writes), 'base', text(base),
    'since', text(since), 'lost', lost and text(lost) or '', 'before', before,
    'span', text(span))
end

-- Whether the process has seen another life of the bucket, to which its revisions belong.
local is_stale = seen ~= '' and seen ~= name or is_older or is_another or false

-- The first write of a script, so that a server that is full refuses all of it.
local function count_write()
  writes = redis.call('HINCRBY', KEYS[1], 'writes', 1)
end

local function answer(what)
  -- A write that changes nothing. A replica refuses it, so that nobody is told what was so before
  -- the writes that it has not received yet. Last of all: once something is written, a server that
  -- is full takes everything from a script.
  redis.call('PERSIST', KEYS[1])
  return {name, text(writes), text(of_nobody()), lost and text(lost) or '', text(span), what}
end

-- How long a key stays that is of use until a time, by the clock of who says so; nil for ever. A
-- day longer: the clocks of two servers differ.
local function stays(until_time, by_clock)
  local millis = until_time - by_clock + DAY
  if millis > 36500 * DAY then
    return nil
  end
  return text(math.max(millis, DAY))
end
