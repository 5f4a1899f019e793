-- How messages come back from a consumer, and how it goes.
--@include consumers
--@include wake
--@include lists

-- A consumer that takes nothing any more is not idle, watches no due time, and comes for no suspect.
local function retire(consumer)
  redis.call('ZREM', idle, consumer)
  freeReservation(consumer)
  local _, holder = alarmOf()
  if holder == consumer then
    redis.call('DEL', alarm)
  end
end

-- Takes these holdings out of a consumer's hands, to the head of their priority: the first of them comes out first. A crash is
-- counted for those that may have run.
local function giveBack(held, holdings, mayHaveRun)
  local ids, items, over = {}, {}, {}
  for at, holding in ipairs(holdings) do
    ids[at] = holding[1]
  end
  if #ids == 0 then
    return 0
  end
  variadic('HDEL', held, ids)
  for at = #holdings, 1, -1 do
    local id, fence = holdings[at][1], holdings[at][2]
    local wire = redis.call('HGET', messages, id)
    if not wire then
      over[#over + 1] = id -- it was revoked
    else
      if mayHaveRun(id, fence) then
        redis.call('HINCRBY', crashes, id, 1)
      end
      canExpire(id)
      items[#items + 1] = { id, priorityOf(wire) }
    end
  end
  variadic('SREM', revoked, over)
  makeReady(items, true)
  return #items
end

-- Takes a consumer off the books.
local function dismiss(held, consumer)
  redis.call('ZREM', consumers, consumer)
  redis.call('DEL', held)
  retire(consumer)
end

local function always()
  return true
end

-- The messages of a dead consumer: the highest ids first, so that the lowest come to stand at the head.
local function recover(held, consumer, limit)
  local holdings = holdingsOf(held)
  local first, last = math.max(1, #holdings + 1 - limit), {}
  for at = first, #holdings do
    last[#last + 1] = holdings[at]
  end
  local moved = giveBack(held, last, always)
  return moved, first > 1
end
