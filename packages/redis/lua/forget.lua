--[[
Replaces the records of one queue's messages by a tombstone, or removes them. What has not ended has no record, and gets no
tombstone: it would seem to have ended.

KEYS     1-26 the queue, 27... record buckets
ARGV     1 channels, 2 queue, 3 tombstone ("" = none), 4 its time to live (ms), then of each: id, bucket (its place among KEYS)

Atomic   the id is never free between the record and the tombstone
Twice    The tombstone is written anew.
]]
--@include queue
--@include records
for at = 5, #ARGV, 2 do
  local id, bucket = ARGV[at], KEYS[tonumber(ARGV[at + 1])]
  local isRecord = recordIn(redis.call('HGET', bucket, id))
  if isRecord and ARGV[3] ~= '' then
    local text, ttl = recordText(ARGV[3], ARGV[4])
    redis.call('HSET', bucket, id, text)
    extend(bucket, ttl)
  else
    redis.call('HDEL', bucket, id)
  end
end
