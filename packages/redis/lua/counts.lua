--[[
How many messages of a queue are in each place.

KEYS     1-26 the queue, 27 dead letters by time, 28 dead letters by id
ARGV     1 channels, 2 queue
Returns  queued, scheduled, active, dead letters, dead letters that were dropped

Atomic   a message on its way from one place to another is counted once
Twice    Counts again.
]]
--@include queue
--@include lists
local queued = readyCount() + redis.call('LLEN', suspects) - redis.call('SCARD', gone)
local due = redis.call('ZCARD', scheduled)
local active = redis.call('HLEN', messages) - queued - due
local dropped = redis.call('HGET', KEYS[28], ' dropped')
return { queued, due, active, redis.call('ZCARD', KEYS[27]), tonumber(dropped or 0) }
