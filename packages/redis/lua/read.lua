--[[
What is stored for messages of one queue; registers a client that wants to be told of those that have not ended.

KEYS     1-26 the queue, 27... record buckets
ARGV     1 channels, 2 queue, 3 client ("" = nobody), 4 "*" = it wants to be told of every change, "" = of the end, 5 whether
         the messages are on this server too (0 | 1), then of each: id, bucket (its place among KEYS)
Returns  of each: the record (or nothing), progress (or nothing), whether the message lives (1 | 0; -1: the queue is elsewhere),
         attempts

Atomic   what is not in the answer is pushed: nothing is written between the registration and the look
Twice    Registers once.
]]
--@include queue
--@include watchers
--@include records
local client, star = ARGV[3], ARGV[4]
local livesHere = ARGV[5] == '1'
local found = {}

for at = 6, #ARGV, 2 do
  local id = ARGV[at]
  local text = redis.call('HGET', KEYS[tonumber(ARGV[at + 1])], id)
  local record = recordIn(text)
  local notes = not record and notesIn(text)
  local live = redis.call('HEXISTS', messages, id)
  local attempts, progress = {}, false
  if notes then
    for _, attempt in ipairs(notes.attempts) do
      if attempt[2] > now then
        attempts[#attempts + 1] = attempt[1]
      end
    end
    if notes.progress and notes.progress[2] > now then
      progress = notes.progress[1]
    end
  end
  if client ~= '' and not record then
    watch(id, client, star)
  end
  found[#found + 1] = { record or false, progress, livesHere and live or -1, attempts }
end
return found
