-- Who holds a message. The keys of what the consumers hold are declared, so the caller has to know the consumers: when they
-- have changed meanwhile, it asks again. `first` is the place of the first such key; ARGV names `count` consumers from `names` on.
local function knowsConsumers(names, count)
  if redis.call('ZCARD', consumers) ~= count then
    return false
  end
  for at = names, names + count - 1 do
    if not redis.call('ZSCORE', consumers, ARGV[at]) then
      return false
    end
  end
  return true
end

-- Answers the place (from 0) of the consumer, and the fence.
local function holderOf(id, first, count)
  for at = 0, count - 1 do
    local fence = redis.call('HGET', KEYS[first + at], id)
    if fence then
      return at, fence
    end
  end
  return nil
end
