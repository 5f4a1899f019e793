-- The keys of one queue, in the order in which every script gets them, and the moves that scripts share.
-- KEYS 1-26, ARGV 1-2; what a script gets besides begins at KEYS[27] and ARGV[3].
local messages, scheduled, consumers, idle, alarm, reservation = unpack(KEYS, 1, 6)
local suspects, crashes, gone, revoked, expires, expiring, fences = unpack(KEYS, 7, 13)
local channels, queue = ARGV[1], ARGV[2]

local function ready(priority)
  return KEYS[17 + priority]
end

-- Lua hands over some thousand values at most
local function variadic(command, key, values)
  for first = 1, #values, 1000 do
    redis.call(command, key, unpack(values, first, math.min(first + 999, #values)))
  end
end

-- numbers as Redis stores them: without an exponent
local function whole(number)
  return string.format('%.0f', number)
end

-- The second character of a wire form. What is no message gets the default: it is claimed, and becomes a dead letter.
local function priorityOf(wire)
  local digit = string.byte(wire, 2)
  if digit and digit >= 48 and digit <= 57 then
    return digit - 48
  end
  return 5
end
