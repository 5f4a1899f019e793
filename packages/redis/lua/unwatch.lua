--[[
A client does not want to be told of messages of one queue any more.

KEYS     1-26 the queue
ARGV     1 channels, 2 queue, 3 client, then ids

Atomic   of the names of several clients only this one goes
Twice    Nothing is left to do.
]]
--@include queue
--@include watchers
for at = 4, #ARGV do
  unwatch(ARGV[at], ARGV[3])
end
