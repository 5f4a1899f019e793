--[[
Stores records of one queue's messages.

KEYS     1-26 the queue, 27... record buckets
ARGV     1 channels, 2 queue, then of each: id, record, time to live (see `recordText`), bucket (its place among KEYS)
Returns  1 (committed) or 0 (lost: another was first) for each

Atomic   of two commits one is first
Twice    Lost: the first one stands.
]]
--@include queue
--@include watchers
--@include records
local replies, ended = {}, {}
for at = 3, #ARGV, 4 do
  local id = ARGV[at]
  local written = keep(KEYS[tonumber(ARGV[at + 3])], id, ARGV[at + 1], ARGV[at + 2])
  replies[#replies + 1] = written and 1 or 0
  ended[#ended + 1] = id
end
tell(ended, true)
return replies
