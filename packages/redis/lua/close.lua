--[[
A consumer leaves a queue: what it holds goes back to the head of its priority. A crash is counted for what it knew of,
because that may have run.

KEYS     1-26 the queue, 27 what the consumer holds
ARGV     1 channels, 2 queue, 3 consumer, then what it knew of: id, fence

Atomic   what it gives back is nobody's before it is off the books
Twice    Nothing is left to do.
]]
--@include queue
--@include giveBack
local held, consumer = KEYS[27], ARGV[3]
local holdings = holdingsOf(held)
table.sort(holdings, function(left, right)
  if left[2] == right[2] then
    return left[1] < right[1]
  end
  return left[2] < right[2]
end)
local known = {}
for at = 4, #ARGV, 2 do
  known[ARGV[at]] = tonumber(ARGV[at + 1])
end
giveBack(held, holdings, function(id, fence)
  return known[id] == fence
end)
dismiss(held, consumer)
wake(readyCount())
