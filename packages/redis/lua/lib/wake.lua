-- Who is told of work: idle consumers, one at a time.

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
  if tonumber(till) > now then
    return consumer
  end
  return nil
end

-- It is no more, or it came.
local function freeReservation(consumer)
  local holder = string.match(redis.call('GET', reservation) or '', '^%d+|(.*)$')
  if holder == consumer then
    redis.call('DEL', reservation)
  end
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
