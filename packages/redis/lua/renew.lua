--[[
Extends a lease. One that ended is extended as long as nobody began to give its messages back.

KEYS     1-26 the queue, 27 what the consumer holds
ARGV     1 channels, 2 queue, 3 consumer, 4 its lease (ms)
Returns  nothing: too late, the consumer is lost; else how many messages it holds, the ids of those that were revoked, and
         of each consumer that has not renewed for a while: its name, the end of its lease, in how many ms that is

Atomic   nobody begins to give the messages back between the look and the renewal
Twice    Harmless. The lease is in the name of every consumer, so that a look needs no second key.
]]
--@include queue
--@include consumers
local held, consumer, lease = KEYS[27], ARGV[3], tonumber(ARGV[4])
if not isRegistered(consumer) then
  return false
end
redis.call('ZADD', consumers, whole(now + lease), consumer)

local function leaseOf(name)
  return tonumber(string.match(name, '%.(%d+)$')) or lease
end

-- The clock went back: no lease ends later than now and its length.
local ahead = redis.call('ZRANGE', consumers, '(' .. whole(now + lease), '+inf', 'BYSCORE', 'LIMIT', 0, 100, 'WITHSCORES')
for at = 1, #ahead, 2 do
  local latest = now + leaseOf(ahead[at])
  if tonumber(ahead[at + 1]) > latest then
    redis.call('ZADD', consumers, whole(latest), ahead[at])
  end
end

-- Who lives renews every third of its lease, or more often.
local suspected = {}
-- with those whose messages somebody began to give back, and did not go on
local silent = redis.call('ZRANGE', consumers, '-inf', whole(now + lease * 2 / 3), 'BYSCORE', 'LIMIT', 0, 64, 'WITHSCORES')
for at = 1, #silent, 2 do
  local length, leaseEnd = leaseOf(silent[at]), tonumber(silent[at + 1])
  if now - (leaseEnd - length) >= length / 3 + math.min(500, length / 8) then
    suspected[#suspected + 1] = silent[at]
    suspected[#suspected + 1] = whole(leaseEnd)
    suspected[#suspected + 1] = whole(math.max(0, leaseEnd - now))
  end
end

local over = {}
if redis.call('EXISTS', revoked) == 1 then
  for _, holding in ipairs(holdingsOf(held)) do
    if holding[2] < 0 then
      over[#over + 1] = holding[1]
    end
  end
end
return { redis.call('HLEN', held) - 1, over, suspected }
