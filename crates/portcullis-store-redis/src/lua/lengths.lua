-- Lengths as four bytes.

local function length_of(bytes)
  local length = 0
  for n = 1, 4 do
    length = length * 256 + string.byte(bytes, n)
  end
  return length
end
