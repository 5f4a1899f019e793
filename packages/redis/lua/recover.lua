--[[
Gives messages of a dead consumer back to the head of their priority, and counts the crash.

KEYS     1-26 the queue, 27 what the dead one holds
ARGV     1 channels, 2 queue, 3 the dead consumer, 4 the end of its lease as it was reported, 5 at most so many
Returns  how many were given back, whether there are more (0 | 1)

Atomic   from the first message on the dead one can do nothing any more, whatever it still holds
Twice    Goes on with the next ones, or finds nothing.
]]
--@include queue
--@include giveBack
local held, consumer, reported, limit = KEYS[27], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local leaseEnd = redis.call('ZSCORE', consumers, consumer)
if not leaseEnd then
  return { 0, 0 } -- others were faster
end
leaseEnd = tonumber(leaseEnd)
if leaseEnd > now then
  return { 0, 0 } -- first witness: the lease ended
end
if leaseEnd >= 0 and leaseEnd ~= reported then
  return { 0, 0 } -- second witness: it did not move
end
redis.call('ZADD', consumers, -1, consumer)
retire(consumer)
local moved, more = recover(held, consumer, limit)
if not more then
  dismiss(held, consumer)
end
-- it may have been told of work that it did not come for
wake(readyCount())
return { moved, more and 1 or 0 }
