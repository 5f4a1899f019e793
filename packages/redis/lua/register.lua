--[[
A consumer comes to a queue.

KEYS     1-26 the queue, 27 what the consumer holds
ARGV     1 channels, 2 queue, 3 consumer, 4 its lease (ms), 5 who it is (JSON, long enough)

Atomic   a consumer that is listed has a hash for what it holds
Twice    Its lease is extended.
]]
--@include queue
local held, consumer, lease = KEYS[27], ARGV[3], ARGV[4]
local leaseEnd = redis.call('ZSCORE', consumers, consumer)
if not leaseEnd then
  redis.call('HSET', held, ' ', ARGV[5])
end
if not leaseEnd or tonumber(leaseEnd) >= 0 then
  redis.call('ZADD', consumers, whole(now + lease), consumer)
end
