--[[
Messages of one queue that wait past their time.

KEYS     1-26 the queue
ARGV     1 channels, 2 queue, 3 at most so many, 4 at most so many bytes (one is always given)
Returns  in how many ms the next one is overdue that is not among these (-1: none can expire); id and wire of each

Atomic   the answer is of one moment
Twice    Looks again.
]]
--@include queue
local limit, bytes, size, found = tonumber(ARGV[3]), tonumber(ARGV[4]), 0, {}
local ids = redis.call('ZRANGE', expiring, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
local given = 0
for _, id in ipairs(ids) do
  if given > 0 and size >= bytes then
    break
  end
  local wire = redis.call('HGET', messages, id) or ''
  found[#found + 1] = id
  found[#found + 1] = wire
  size = size + #wire
  given = given + 1
end
local after = redis.call('ZRANGE', expiring, given, given, 'WITHSCORES')
return { after[2] and whole(math.max(0, after[2] - now)) or '-1', found }
