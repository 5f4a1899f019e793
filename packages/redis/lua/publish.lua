--[[
Accepts messages of one queue.

KEYS     1-26 the queue, 27 the publisher, 28... the record buckets of the messages that are looked up
ARGV     1 channels, 2 queue, 3 sequence, 4 resend (0 | 1), 5 how many plain messages follow: id, wire
         then all others: id, wire, due ("=<ms>" or "+<ms from now>"), expires at (ms or ""), chosen by the caller (0 | 1),
         bucket (its place among KEYS; 0 = not looked up)
Returns  the places (from 0) of duplicates; -1: a late copy, nothing was done

Atomic   an accepted message is in exactly one place, and somebody is woken for it
Twice    A batch is known by its number. The last 16 answers are remembered: who sends a batch again gets its first answer. A
         resend of an older one looks its ids up. A late copy of a first send does nothing.
]]
--@include queue
--@include records
--@include wake
local publisher, sequence, resend, plain = KEYS[27], ARGV[3], ARGV[4] == '1', tonumber(ARGV[5])

-- The last batches of the publisher, each in a field of its own, in turn: "7:0,3", its number and the places of its duplicates.
local slot = sequence % 16
local known, highest = unpack(redis.call('HMGET', publisher, slot, 'last'))
local number, places = string.match(known or '', '^(%d+):([%d,]*)$')
if number == sequence then
  local answer = {}
  for place in string.gmatch(places, '%d+') do
    answer[#answer + 1] = tonumber(place)
  end
  return answer
end
highest = tonumber(highest or 0)
if tonumber(sequence) <= highest and not resend then
  return -1 -- a late copy
end

local duplicates, fresh, lists, due, added = {}, {}, {}, {}, 0
local function put(id, wire)
  local priority = priorityOf(wire)
  local ids = lists[priority]
  if not ids then
    ids = {}
    lists[priority] = ids
  end
  ids[#ids + 1] = id
  added = added + 1
end

-- An id that was used before may have left a hole in a list: it must not get a message there.
local function close(id)
  for priority = 0, 9 do
    if redis.call('LREM', ready(priority), 1, id) == 1 then
      break
    end
  end
  redis.call('SREM', gone, id)
end

local rare = redis.call('EXISTS', gone, revoked) > 0
local function isTaken(id, wire, bucket)
  if rare and redis.call('SISMEMBER', revoked, id) == 1 then
    return true -- still in the hands of a consumer
  end
  if bucket > 0 and recordIn(redis.call('HGET', KEYS[bucket], id)) then
    return true -- ended before
  end
  if redis.call('HSETNX', messages, id, wire) == 0 then
    return true -- one place
  end
  if rare and redis.call('SISMEMBER', gone, id) == 1 then
    close(id)
  end
  return false
end

-- A key of another type must not stop this half-way: what may be written to is looked at first.
local used = {}
for at = 7, 5 + 2 * plain, 2 do
  used[priorityOf(ARGV[at])] = true
end
for at = 7 + 2 * plain, #ARGV, 6 do
  used[priorityOf(ARGV[at])] = true
end
for priority in pairs(used) do
  redis.call('LLEN', ready(priority))
end
if #ARGV > 5 + 2 * plain then
  redis.call('ZCARD', scheduled)
  redis.call('HLEN', expires)
  redis.call('ZCARD', expiring)
end

-- Most batches: nobody has any of the ids, so that all of them can be written at once.
local ids = {}
for at = 1, plain do
  ids[at] = ARGV[4 + 2 * at]
end
local isFree = not rare
for first = 1, #ids, 1000 do
  for _, wire in ipairs(redis.call('HMGET', messages, unpack(ids, first, math.min(first + 999, #ids)))) do
    isFree = isFree and not wire
  end
end
local seen = {}
for at, id in ipairs(ids) do
  isFree = isFree and not seen[id]
  seen[id] = true
end
for at, id in ipairs(ids) do
  local wire = ARGV[5 + 2 * at]
  if isFree then
    fresh[2 * at - 1] = id
    fresh[2 * at] = wire
    put(id, wire)
  elseif isTaken(id, wire, 0) then
    duplicates[#duplicates + 1] = at - 1
  else
    put(id, wire)
  end
end
variadic('HSET', messages, fresh)

for at = 6 + 2 * plain, #ARGV, 6 do
  local id, wire, when, expiry, bucket = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 5])
  if isTaken(id, wire, bucket) then
    -- a resend of an id that nobody chose finds its own first send
    if ARGV[at + 4] == '1' or not resend then
      duplicates[#duplicates + 1] = plain + (at - 6 - 2 * plain) / 6
    end
  else
    local dueAt = tonumber(string.sub(when, 2)) + (string.sub(when, 1, 1) == '+' and now or 0)
    if dueAt > now then
      due[#due + 1] = whole(dueAt)
      due[#due + 1] = priorityOf(wire) .. id
    else
      put(id, wire)
    end
    if expiry ~= '' then
      redis.call('HSET', expires, id, expiry)
      redis.call('ZADD', expiring, expiry, id)
    end
  end
end

for priority, list in pairs(lists) do
  variadic('RPUSH', ready(priority), list)
end
variadic('ZADD', scheduled, due)

redis.call('HSET', publisher, slot, sequence .. ':' .. table.concat(duplicates, ','), 'last', math.max(highest, sequence))
redis.call('PEXPIRE', publisher, 3600000)
wake(added)
return duplicates
