-- The places in which messages wait.

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

local function readyCount()
  local count = 0
  for priority = 0, 9 do
    count = count + redis.call('LLEN', ready(priority))
  end
  return count
end
