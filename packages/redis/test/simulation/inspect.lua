-- All that one database holds, as JSON. ARGV: 1 prefix
--@include records
local prefix = ARGV[1]

local function pairsOf(values)
  local map = {}
  for at = 1, #values, 2 do
    map[values[at]] = values[at + 1]
  end
  return map
end

local function heldBy(key)
  local held = pairsOf(redis.call('HGETALL', key))
  held[' '] = nil
  return held
end

-- In an order that is the same on every server.
local function keys(pattern)
  local found = redis.call('KEYS', pattern)
  table.sort(found)
  return found
end

local queues = {}
local names = redis.call('SMEMBERS', prefix .. ':queues')
table.sort(names)
for _, name in ipairs(names) do
  local function key(part)
    return '{' .. prefix .. ':' .. name .. '}:' .. part
  end
  local ready = {}
  for priority = 0, 9 do
    for _, id in ipairs(redis.call('LRANGE', key('ready:' .. priority), 0, -1)) do
      ready[#ready + 1] = id
    end
  end
  local held = {}
  for _, found in ipairs(keys(key('held:*'))) do
    held[string.sub(found, #key('held:') + 1)] = heldBy(found)
  end
  queues[#queues + 1] = {
    name = name,
    messages = pairsOf(redis.call('HGETALL', key('messages'))),
    scheduled = pairsOf(redis.call('ZRANGE', key('scheduled'), 0, -1, 'WITHSCORES')),
    crashes = pairsOf(redis.call('HGETALL', key('crashes'))),
    consumers = pairsOf(redis.call('ZRANGE', key('consumers'), 0, -1, 'WITHSCORES')),
    gone = redis.call('SMEMBERS', key('gone')),
    revoked = redis.call('SMEMBERS', key('revoked')),
    suspects = redis.call('LRANGE', key('suspects'), 0, -1),
    ready = ready,
    held = held,
  }
end

local records = {}
for _, bucket in ipairs(keys('{' .. prefix .. ':*}:records:*')) do
  local fields = redis.call('HGETALL', bucket)
  for at = 1, #fields, 2 do
    records[fields[at]] = recordIn(fields[at + 1])
  end
end
return cjson.encode({ queues = queues, records = records })
