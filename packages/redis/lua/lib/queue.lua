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

local function isRegistered(consumer)
  local leaseEnd = redis.call('ZSCORE', consumers, consumer)
  return leaseEnd and tonumber(leaseEnd) >= 0
end

local function nextDue()
  return tonumber(redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES')[2])
end

-- Who claims when the next scheduled message falls due, and at what time.
local function alarmOf()
  local value = redis.call('GET', alarm)
  if not value then
    return nil
  end
  local due, consumer = string.match(value, '^(%d+)|(.*)$')
  return tonumber(due), consumer
end

-- Nobody came for it in half a second: the duty passes to whoever asks.
local function isWatched(due)
  local at = alarmOf()
  return at ~= nil and at <= due and at + 500 >= now
end

-- The consumer that was told to claim a suspect, while the others leave it to that one.
local function reservedFor()
  local value = redis.call('GET', reservation)
  if not value then
    return nil
  end
  local till, consumer = string.match(value, '^(%d+)|(.*)$')
  if tonumber(till) > now and isRegistered(consumer) then
    return consumer
  end
  return nil
end

-- Tells as many idle consumers as it takes to cover what was added, one more for a due time that nobody watches, and one
-- for a suspect that nobody was told of. Who waits longest is told first; a push that reaches nobody does not count.
local function wake(added)
  if redis.call('EXISTS', idle) == 0 then
    return
  end
  local missing = added
  local due = nextDue()
  if due and not isWatched(due) then
    missing = missing + 1
  end
  if redis.call('EXISTS', suspects) == 1 and not reservedFor() then
    missing = missing + 1
  end
  while missing > 0 do
    local first = redis.call('ZPOPMIN', idle)
    if not first[1] then
      return
    end
    if redis.call('PUBLISH', channels .. 'wake:' .. first[1], queue) > 0 then
      missing = missing - first[2] % 1024
    end
  end
end

-- Makes messages ready that are in no place, one after the other: of those that go to the head, the last comes out first.
-- `items` are pairs of id and priority. Answers how much work for ordinary claims this adds.
local function makeReady(items, toHead)
  local counts
  if redis.call('EXISTS', crashes) == 1 then
    counts = {}
    for first = 1, #items, 1000 do
      local ids = {}
      for at = first, math.min(first + 999, #items) do
        ids[#ids + 1] = items[at][1]
      end
      for _, count in ipairs(redis.call('HMGET', crashes, unpack(ids))) do
        counts[#counts + 1] = count or '0'
      end
    end
  end
  local lists, added = {}, 0
  local function put(list, id)
    local ids = lists[list]
    if not ids then
      ids = {}
      lists[list] = ids
    end
    ids[#ids + 1] = id
  end
  for at, item in ipairs(items) do
    local id, priority = item[1], item[2]
    if counts and tonumber(counts[at]) >= 2 then
      put(suspects, id) -- a suspect is claimed alone
    else
      put(ready(priority), id)
      added = added + 1
    end
  end
  for list, ids in pairs(lists) do
    variadic(toHead and 'LPUSH' or 'RPUSH', list, ids)
  end
  return added
end

-- Makes ready what has fallen due, at most so many.
local function promote(limit)
  local members = redis.call('ZRANGE', scheduled, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
  if #members == 0 then
    return
  end
  local items = {}
  for at, member in ipairs(members) do
    items[at] = { string.sub(member, 2), tonumber(string.sub(member, 1, 1)) }
  end
  variadic('ZREM', scheduled, members)
  makeReady(items, false)
end

-- Those of a queue's messages that can expire stand in `expiring` while they wait.
local function canExpire(id)
  local at = redis.call('HGET', expires, id)
  if at then
    redis.call('ZADD', expiring, at, id)
  end
end

-- The address of a message as pushes carry it. The slash needs no escape, and clients compare texts.
local function addressText(id)
  return (string.gsub(cjson.encode({ id, queue }), '\\/', '/'))
end

-- A consumer that takes nothing any more is not idle, and watches no due time.
local function retire(consumer)
  redis.call('ZREM', idle, consumer)
  local _, holder = alarmOf()
  if holder == consumer then
    redis.call('DEL', alarm)
  end
end

-- What a consumer holds, as pairs of id and fence (negative: revoked), by id. The field with a space is no message: its long text
-- keeps the hash from being a list that is searched from end to end.
local function holdingsOf(held)
  local fields, holdings = redis.call('HGETALL', held), {}
  for at = 1, #fields, 2 do
    if fields[at] ~= ' ' then
      holdings[#holdings + 1] = { fields[at], tonumber(fields[at + 1]) }
    end
  end
  table.sort(holdings, function(left, right)
    return left[1] < right[1]
  end)
  return holdings
end

local function readyCount()
  local count = 0
  for priority = 0, 9 do
    count = count + redis.call('LLEN', ready(priority))
  end
  return count
end
