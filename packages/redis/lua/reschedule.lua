--[[
Ends deliveries of one queue whose messages go on: to be retried at some time, or given back.

KEYS     1-26 the queue, 27 what the consumer holds, 28... record buckets, for notes
ARGV     1 channels, 2 queue, 3 consumer, then of each: id, fence, wire ("" = unchanged), whether a run of it has ended (0 | 1),
         delay (ms), "head" or "tail", bucket (place among KEYS, 0 = no note), note, its time to live (ms)
Returns  nothing: the consumer is lost; else the places (from 0) of those that are refused

Atomic   a message is in the consumer's hands or back in the queue, never both
Twice    Refused: the consumer holds the messages no more.
]]
--@include queue
--@include consumers
--@include wake
--@include lists
--@include watchers
--@include records
--@include notes
local held, consumer = KEYS[27], ARGV[3]

if not isRegistered(consumer) then
  return false
end
local refused, toHead, toTail, due, ids = {}, {}, {}, {}, {}
for at = 4, #ARGV, 9 do
  local id, fence, wire, ran, delay, to = unpack(ARGV, at, at + 5)
  local mine = redis.call('HGET', held, id)
  if mine ~= fence then
    refused[#refused + 1] = (at - 4) / 9 -- ownership
    if mine == '-' .. fence then
      redis.call('HDEL', held, id)
      redis.call('SREM', revoked, id)
    end
  else
    redis.call('HDEL', held, id)
    if wire ~= '' then
      redis.call('HSET', messages, id, wire)
    else
      wire = redis.call('HGET', messages, id)
    end
    if ran == '1' then
      redis.call('HDEL', expires, id)
    end
    canExpire(id)
    local priority = priorityOf(wire)
    if tonumber(delay) > 0 then
      due[#due + 1] = whole(now + delay)
      due[#due + 1] = priority .. id
    elseif to == 'head' then
      toHead[#toHead + 1] = { id, priority }
    else
      toTail[#toTail + 1] = { id, priority }
    end
    local bucket = tonumber(ARGV[at + 6])
    if bucket > 0 then
      annotate(KEYS[bucket], id, 'attempt', fence, ARGV[at + 7], ARGV[at + 8])
    end
    ids[#ids + 1] = id
  end
end
variadic('ZADD', scheduled, due)
local added = makeReady(toHead, true) + makeReady(toTail, false)
tell(ids, false)
wake(added)
return refused
