--[[
Adds notes about messages of one queue that have not ended.

KEYS     1-26 the queue, 27... record buckets and what the authors hold
ARGV     1 channels, 2 queue, 3 whether the messages are on this server too (0 | 1), then of each: id, kind ("progress" | "attempt"), fence, value, time to live (ms), bucket, what
         its author holds (places among KEYS)
Returns  1 (noted) or 0 (refused) for each

Atomic   the author holds the message while it is noted. Where the queue lives on another server nobody here knows its
         consumers: then the fence decides, which only grows
Twice    A progress report replaces itself, an attempt is noted twice.
]]
--@include queue
--@include watchers
--@include records
--@include notes
local livesHere = ARGV[3] == '1'
local replies, told = {}, {}
for at = 4, #ARGV, 7 do
  local id, kind, fence, value, ttl = unpack(ARGV, at, at + 4)
  local bucket, held = KEYS[tonumber(ARGV[at + 5])], KEYS[tonumber(ARGV[at + 6])]
  local noted = (not livesHere or redis.call('HGET', held, id) == fence) and annotate(bucket, id, kind, fence, value, ttl)
  replies[#replies + 1] = noted and 1 or 0
  if noted then
    told[#told + 1] = id
  end
end
tell(told, false)
return replies
