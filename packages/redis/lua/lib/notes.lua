-- Adds a note, unless the message has ended or somebody noted something for a later delivery. The last ten attempts are kept.
local function annotate(bucket, id, kind, fence, value, ttl)
  local text = redis.call('HGET', bucket, id)
  if recordIn(text) then
    return false -- it is over
  end
  local notes = notesIn(text)
  local longest = tonumber(ttl)
  if not notes then
    notes = { fence = 0, attempts = {} }
  else
    longest = math.max(longest, timeAt(text, 2) - now)
  end
  if tonumber(fence) < notes.fence then
    return false -- fence: a later delivery has written
  end
  notes.fence = tonumber(fence)
  if kind == 'progress' then
    notes.progress = { value, now + ttl }
  else
    notes.attempts[#notes.attempts + 1] = { value, now + ttl }
    if #notes.attempts > 10 then
      table.remove(notes.attempts, 1)
    end
  end
  redis.call('HSET', bucket, id, 'n' .. stamp(whole(longest)) .. cjson.encode(notes))
  extend(bucket, longest)
  return true
end
