--[[
Compares what a consumer believes to hold with what it holds. A lost consumer is registered anew, and holds nothing.

KEYS     1-26 the queue, 27 what the consumer holds
ARGV     1 channels, 2 queue, 3 consumer, 4 its lease (ms), 5 who it is (JSON, long enough), then what it believes: id, fence
Returns  the places (from 0) of what it does not hold; id, fence, crashes and wire of what it did not know of

Atomic   nothing is claimed or given back between the two looks
Twice    Compares again.
]]
--@include queue
--@include giveBack
local held, consumer, lease = KEYS[27], ARGV[3], ARGV[4]
local leaseEnd = tonumber(redis.call('ZSCORE', consumers, consumer) or '0')
-- recovery began: it is brought to its end, because the name cannot be registered before
if leaseEnd < 0 then
  recover(held, consumer, math.huge)
  dismiss(held, consumer)
  wake(readyCount())
end
redis.call('HSETNX', held, ' ', ARGV[5])
redis.call('ZADD', consumers, whole(now + lease), consumer)

local holds, over = {}, {}
local holdings = holdingsOf(held)
for _, holding in ipairs(holdings) do
  if holding[2] < 0 then
    over[#over + 1] = holding[1] -- it was revoked: the consumer lets go of it
  else
    holds[holding[1]] = holding[2]
  end
end
variadic('HDEL', held, over)
variadic('SREM', revoked, over)

local lost = {}
for at = 6, #ARGV, 2 do
  if holds[ARGV[at]] == tonumber(ARGV[at + 1]) then
    holds[ARGV[at]] = nil
  else
    lost[#lost + 1] = (at - 6) / 2 -- ownership
  end
end
local found = {}
for _, holding in ipairs(holdings) do
  local id, fence = holding[1], holding[2]
  if holds[id] then
    found[#found + 1] = id
    found[#found + 1] = fence
    found[#found + 1] = tonumber(redis.call('HGET', crashes, id) or 0)
    found[#found + 1] = redis.call('HGET', messages, id) or ''
  end
end
return { lost, found }
