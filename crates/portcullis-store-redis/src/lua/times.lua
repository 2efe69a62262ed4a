-- Times as eight bytes that sort as they follow each other.

local function number_of(bytes)
  local high, low = 0, 0
  for n = 1, 4 do
    high = high * 256 + string.byte(bytes, n)
    low = low * 256 + string.byte(bytes, n + 4)
  end
  return (high - 2147483648) * 4294967296 + low
end

-- Byte by byte: how texts compare depends on the locale of the server.
local function is_later(one, other)
  for n = 1, 8 do
    local a, b = string.byte(one, n), string.byte(other, n)
    if a ~= b then
      return a > b
    end
  end
  return false
end
