--[[
Ends messages of one queue from outside.

KEYS     1-26 the queue, 27... what each consumer holds, then record buckets
ARGV     1 channels, 2 queue, 3 which are meant ("any" | "waiting" | "overdue"), 4 how many consumers, their names, then of
         each message: id, record, time to live (see `recordText`), bucket (its place among KEYS, 0 = no record)
Returns  nothing: the consumers have changed, ask again; else "ended", "spared" or "absent" for each

Atomic   the record is there when the message is gone; whoever holds it can do nothing with it from then on
Twice    Absent.
]]
--@include queue
--@include watchers
--@include records
--@include holders
local meant, count = ARGV[3], tonumber(ARGV[4])
if not knowsConsumers(5, count) then
  return false
end
local replies, over, pushes = {}, {}, {}
for at = 5 + count, #ARGV, 4 do
  local id, record, ttl, bucket = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local wire = redis.call('HGET', messages, id)
  local holder, fence = nil, nil
  local reply = 'ended'
  if not wire then
    reply = 'absent'
  else
    holder, fence = holderOf(id, 27, count)
    if meant ~= 'any' and holder then
      reply = 'spared' -- it runs
    elseif meant == 'overdue' and tonumber(redis.call('ZSCORE', expiring, id) or 'inf') > now then
      reply = 'spared'
    end
  end
  if reply == 'ended' then
    local isSuspect = tonumber(redis.call('HGET', crashes, id) or 0) >= 2
    redis.call('HDEL', messages, id)
    redis.call('HDEL', crashes, id)
    redis.call('HDEL', expires, id)
    redis.call('ZREM', expiring, id)
    if holder then
      redis.call('HSET', KEYS[27 + holder], id, '-' .. fence)
      redis.call('SADD', revoked, id)
      local consumer = ARGV[5 + holder]
      redis.call('PUBLISH', channels .. 'revoke:' .. consumer, addressText(id))
    elseif redis.call('ZREM', scheduled, priorityOf(wire) .. id) == 0 and not (isSuspect and redis.call('LREM', suspects, 1, id) == 1) then
      redis.call('SADD', gone, id) -- it leaves a hole in its list, which may be long
    end
    if bucket > 0 then
      keep(KEYS[bucket], id, record, ttl)
    end
    over[#over + 1] = id
  end
  replies[#replies + 1] = reply
end
tell(over, true)
return replies
