--[[
Gives messages of one queue to a consumer.

KEYS     1-26 the queue, 27 what the consumer holds
ARGV     1 channels, 2 queue, 3 consumer, 4 its lease (ms), 5 count, 6 bytes, 7 how many to take out at a time, 8 alone (0 | 1)
Returns  nothing: the consumer is lost; else the fence, in how many ms to claim again for a due message (-1: not its duty),
         idle consumers, whether it should claim a suspect (0 | 1), id and wire of each message, crashes of each (if any has some)

Atomic   a message leaves its list and is in the consumer's hands at once; who finds too little counts as idle before
         anything can be added
Twice    Takes others. The consumer finds the first ones by the count that `renew` answers, and by `reconcile`.
]]
--@include queue
--@include consumers
--@include wake
--@include lists
--@include watchers
local held, consumer, lease = KEYS[27], ARGV[3], ARGV[4]
local count, bytes, portion = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

if not isRegistered(consumer) then
  return false
end
redis.call('ZREM', idle, consumer)
local fence = redis.call('INCR', fences)
local ids, taken = {}, {}

-- Into its hands, before the next ones are taken out: those that are no holes, which revoked messages leave in the lists.
local function take(popped, size)
  local wires, fields = redis.call('HMGET', messages, unpack(popped)), {}
  local extra
  for at, id in ipairs(popped) do
    local wire = wires[at]
    if not wire then
      redis.call('SREM', gone, id)
    elseif #ids > 0 and size >= bytes then
      extra = at
      break
    else
      ids[#ids + 1] = id
      taken[#taken + 1] = id
      taken[#taken + 1] = wire
      fields[#fields + 1] = id
      fields[#fields + 1] = fence
      size = size + #wire
    end
  end
  variadic('HSET', held, fields)
  return size, extra
end

-- How often each has crashed; nil: none has. Those who follow it are told.
local function crashesOf()
  if #ids == 0 or redis.call('EXISTS', crashes, expiring, unpack(shelves)) == 0 then
    return nil
  end
  local crashed = {}
  for first = 1, #ids, 1000 do
    local some = { unpack(ids, first, math.min(first + 999, #ids)) }
    for _, times in ipairs(redis.call('HMGET', crashes, unpack(some))) do
      crashed[#crashed + 1] = tonumber(times) or 0
    end
    redis.call('ZREM', expiring, unpack(some))
    tell(some, false)
  end
  return crashed
end

if ARGV[8] == '1' then
  freeReservation(consumer)
  for _ = 1, math.min(count, 1) * 100 do
    local popped = redis.call('LPOP', suspects, 1)
    if not popped then
      break
    end
    take(popped, 0)
    if #ids > 0 then
      break
    end
  end
  local crashed = crashesOf()
  -- it takes no other work: if it was told of some, that is passed on
  wake(readyCount())
  return { fence, -1, redis.call('ZCARD', idle), 0, taken, crashed }
end

promote(math.max(count, 200))

-- The highest priority first. Only so many are taken out at a time that large ones do not weigh too much, and so many in
-- all that the holes of a mass revoke block nobody for long.
local size, priority, turns, stopped = 0, 9, count + 5000, false
while priority >= 0 and #ids < count and turns > 0 and not stopped do
  local wanted = math.min(count - #ids, portion)
  local popped = redis.call('LPOP', ready(priority), wanted)
  local extra
  if popped then
    turns = turns - #popped
    size, extra = take(popped, size)
    if extra then
      local back = {}
      for at = #popped, extra, -1 do
        back[#back + 1] = popped[at]
      end
      redis.call('LPUSH', ready(priority), unpack(back))
    end
  end
  stopped = extra ~= nil or (#ids > 0 and size >= bytes)
  if not stopped and (not popped or #popped < wanted) then
    priority = priority - 1
  end
end
local isEmpty = priority < 0
local crashed = crashesOf()

-- A suspect is for one consumer at a time, that lets go of everything else first.
local suspect = false
if redis.call('EXISTS', suspects) == 1 then
  local other = reservedFor()
  if not other then
    redis.call('SET', reservation, whole(now + lease) .. '|' .. consumer)
  end
  suspect = not other or other == consumer
end

-- It looks again when it is told to: only if nothing was left for it, and no other duty keeps it busy.
local isIdle = isEmpty and not suspect
if isIdle then
  redis.call('ZADD', idle, whole(fence * 1024 + math.min(count - #ids, 1023)), consumer)
end

local dueIn = -1
local due = nextDue()
local _, holder = alarmOf()
if not due then
  if holder == consumer then
    redis.call('DEL', alarm)
  end
elseif holder == consumer or (isIdle and not isWatched(due)) then
  redis.call('SET', alarm, whole(due) .. '|' .. consumer)
  dueIn = math.max(0, due - now)
end
if turns <= 0 and #ids < count then
  dueIn = 0 -- nobody knows yet what is behind the holes
end
if isEmpty then
  wake(0)
elseif redis.call('EXISTS', idle) == 1 then
  wake(readyCount())
end
return { fence, dueIn, redis.call('ZCARD', idle), suspect and 1 or 0, taken, crashed }
