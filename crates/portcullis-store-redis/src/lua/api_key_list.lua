-- KEYS[2]  the keys, by id
-- KEYS[3]  the ids, by owner
-- ARGV[7]  the owner, as entries begin with it
-- ARGV[8]  where the entries begin
-- ARGV[9]  where they end
-- ARGV[10] how many are asked for

if is_stale then
  return answer('lost')
end
local entries = redis.call(
  'ZRANGEBYLEX', KEYS[3], ARGV[8], ARGV[9], 'LIMIT', '0', ARGV[10])
local keys = {}
for n, entry in ipairs(entries) do
  local kept = redis.call('HGET', KEYS[2], string.sub(entry, #ARGV[7] + 1))
  if not kept then
    return damaged('the list of an owner')
  end
  keys[n] = kept
end
return answer(keys)
