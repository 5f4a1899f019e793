--[[
Where messages of one queue are.

KEYS     1-26 the queue, 27... what each consumer holds, then record buckets
ARGV     1 channels, 2 queue, 3 how many consumers, their names, then of each message: id, bucket (its place among KEYS)
Returns  nothing: the consumers have changed, ask again; else of each: place, wire or record, time (due, or until the record goes)

Atomic   no message is missed on its way from one place to another
Twice    Looks again.
]]
--@include queue
--@include records
--@include holders
local count = tonumber(ARGV[3])
if not knowsConsumers(4, count) then
  return false
end
local found = {}
for at = 4 + count, #ARGV, 2 do
  local id = ARGV[at]
  local wire = redis.call('HGET', messages, id)
  local due = wire and redis.call('ZSCORE', scheduled, priorityOf(wire) .. id)
  if not wire then
    local record, left = recordIn(redis.call('HGET', KEYS[tonumber(ARGV[at + 1])], id))
    found[#found + 1] = record and { 'ended', record, whole(left) } or { 'absent', '', '0' }
  elseif due then
    found[#found + 1] = { 'scheduled', wire, due }
  else
    found[#found + 1] = { holderOf(id, 27, count) and 'active' or 'queued', wire, '0' }
  end
end
return found
