--[[
Ends deliveries of one queue: their messages are over.

KEYS     1-26 the queue, 27 what the consumer holds, 28 dead letters by time, 29 dead letters by id, 30... record buckets
ARGV     1 channels, 2 queue, 3 consumer, 4 k, 5 most dead letters, 6 most bytes of them, then k ids, k fences, k records, k times to live (see
         `recordText`), k buckets (places among KEYS, 0 = no record), then of each that is kept as a dead letter: its place (from 1), the reason
Returns  nothing: the consumer is lost; else the places (from 0) of those that are refused

Atomic   the record is there when the message is gone; only the owner's counts
Twice    Refused: the consumer holds the messages no more.
]]
--@include queue
--@include consumers
--@include watchers
--@include records
local held, byTime, letters = KEYS[27], KEYS[28], KEYS[29]
local consumer, k, mostDead, mostDeadBytes = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

if not isRegistered(consumer) then
  return false
end
local ids = { unpack(ARGV, 7, 6 + k) }
local mine = redis.call('HMGET', held, unpack(ids))
local ended, places, refused, dropped = {}, {}, {}, {}
for at = 1, k do
  local fence = ARGV[6 + k + at]
  if mine[at] == fence then
    ended[#ended + 1] = ids[at]
    places[#places + 1] = at
  else
    refused[#refused + 1] = at - 1 -- ownership
    -- it was revoked while it ran: its owner lets go of it
    if mine[at] == '-' .. fence then
      dropped[#dropped + 1] = ids[at]
    end
  end
end
if #dropped > 0 then
  redis.call('HDEL', held, unpack(dropped))
  redis.call('SREM', revoked, unpack(dropped))
end
if #ended == 0 then
  return refused
end

local reasons = {}
for at = 7 + 5 * k, #ARGV, 2 do
  reasons[tonumber(ARGV[at])] = ARGV[at + 1]
end
if next(reasons) then
  local bytes = tonumber(redis.call('HGET', letters, ' bytes') or 0)
  local function sizeOf(id)
    local isJson, letter = pcall(cjson.decode, redis.call('HGET', letters, id) or '')
    local wire = isJson and type(letter) == 'table' and letter.wire
    return type(wire) == 'string' and #wire or 0
  end
  for _, at in ipairs(places) do
    if reasons[at] then
      local id = ids[at]
      local wire = redis.call('HGET', messages, id) or ''
      -- an id that a caller chose can die more than once: the last letter counts
      bytes = bytes + #wire - sizeOf(id)
      redis.call('ZADD', byTime, whole(now), id)
      redis.call('HSET', letters, id, cjson.encode({ wire = wire, reason = reasons[at], at = now }))
    end
  end
  -- the oldest go when there are too many, or when they are too large all together; the newest one stays
  local dropped, count = 0, redis.call('ZCARD', byTime)
  while count > 1 and (count > mostDead or bytes > mostDeadBytes) do
    local oldest = redis.call('ZPOPMIN', byTime)[1]
    bytes = bytes - sizeOf(oldest)
    redis.call('HDEL', letters, oldest)
    dropped, count = dropped + 1, count - 1
  end
  redis.call('HSET', letters, ' bytes', whole(bytes))
  if dropped > 0 then
    redis.call('HINCRBY', letters, ' dropped', dropped)
  end
end

local buckets = {}
for _, at in ipairs(places) do
  local bucket = tonumber(ARGV[6 + 4 * k + at])
  if bucket > 0 then
    local group = buckets[bucket]
    if not group then
      group = { ids = {}, places = {} }
      buckets[bucket] = group
    end
    group.ids[#group.ids + 1] = ids[at]
    group.places[#group.places + 1] = at
  end
end
for bucket, group in pairs(buckets) do
  local fields, longest = {}, 0
  for nth, known in ipairs(redis.call('HMGET', KEYS[bucket], unpack(group.ids))) do
    if not recordIn(known) then -- first commit wins
      local at = group.places[nth]
      local text, ttl = recordText(ARGV[6 + 2 * k + at], ARGV[6 + 3 * k + at])
      fields[#fields + 1] = ids[at]
      fields[#fields + 1] = text
      longest = math.max(longest, ttl)
    end
  end
  if #fields > 0 then
    redis.call('HSET', KEYS[bucket], unpack(fields))
    extend(KEYS[bucket], longest)
  end
end
redis.call('HDEL', held, unpack(ended))
redis.call('HDEL', messages, unpack(ended))
if redis.call('EXISTS', crashes, expires) > 0 then
  redis.call('HDEL', crashes, unpack(ended))
  redis.call('HDEL', expires, unpack(ended))
end
tell(ended, true)
return refused
