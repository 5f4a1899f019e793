--[[
A client does not want to be told of messages of one queue any more.

KEYS     1-25 the queue
ARGV     1 channels, 2 queue, 3 client, then ids

Atomic   of the names of several clients only this one goes
Twice    Nothing is left to do.
]]
--@include queue
local client = ARGV[3]
for at = 4, #ARGV do
  local clients = redis.call('HGET', watchers, ARGV[at])
  if clients then
    local names = {}
    for name, star in string.gmatch(clients, '([^,*]+)(%*?)') do
      if name ~= client then
        names[#names + 1] = name .. star
      end
    end
    if #names == 0 then
      redis.call('HDEL', watchers, ARGV[at])
    else
      redis.call('HSET', watchers, ARGV[at], table.concat(names, ','))
    end
  end
end
