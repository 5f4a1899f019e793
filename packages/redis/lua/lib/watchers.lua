-- Clients that wait for news of messages. They ask again once a minute at least, so what they asked for stands in the hash of
-- its minute and goes with it: after one minute at the earliest, after two at the latest.
local shelves = { KEYS[14], KEYS[15], KEYS[16] }
local minute = 60000

-- A client is known by its name; a star behind it: it wants to be told of every change, not of the end alone.
local function namesIn(clients)
  return string.gmatch(clients, '([^,*]+)(%*?)')
end

local function watch(id, client, star)
  local shelf = shelves[1 + math.floor(now / minute) % #shelves]
  local names, isKnown = {}, false
  for name, changes in namesIn(redis.call('HGET', shelf, id) or '') do
    if name == client then
      isKnown = true
      changes = (changes == '*' or star == '*') and '*' or ''
    end
    names[#names + 1] = name .. changes
  end
  if not isKnown then
    names[#names + 1] = client .. star
  end
  redis.call('HSET', shelf, id, table.concat(names, ','))
  if redis.call('PTTL', shelf) < 0 then
    redis.call('PEXPIRE', shelf, 2 * minute)
  end
end

local function unwatch(id, client)
  for _, shelf in ipairs(shelves) do
    local names = {}
    for name, star in namesIn(redis.call('HGET', shelf, id) or '') do
      if name ~= client then
        names[#names + 1] = name .. star
      end
    end
    if #names == 0 then
      redis.call('HDEL', shelf, id)
    else
      redis.call('HSET', shelf, id, table.concat(names, ','))
    end
  end
end

-- The address of a message as pushes carry it. The slash needs no escape, and clients compare texts.
local function addressText(id)
  return (string.gsub(cjson.encode({ id, queue }), '\\/', '/'))
end

-- Tells those who wait, each once. At the end they are forgotten; before it only those are told that want every change.
local function tell(ids, ended)
  if #ids == 0 or redis.call('EXISTS', unpack(shelves)) == 0 then
    return
  end
  local told = {}
  for _, shelf in ipairs(shelves) do
    local over = {}
    for at, clients in ipairs(redis.call('HMGET', shelf, unpack(ids))) do
      if clients then
        over[#over + 1] = ids[at]
        for client, star in namesIn(clients) do
          local push = client .. ' ' .. ids[at]
          if (ended or star == '*') and not told[push] then
            told[push] = true
            redis.call('PUBLISH', channels .. 'reply:' .. client, addressText(ids[at]))
          end
        end
      end
    end
    if ended and #over > 0 then
      redis.call('HDEL', shelf, unpack(over))
    end
  end
end
