-- What is kept for a message, in the field of its id in a hash for 64 ms of id time. Times have 13 digits.
--   r <expires> <value>                                         a record, or a tombstone
--   t <expires> <tombstone expires> <length>:<tombstone><value> a record that becomes a tombstone
--   n <expires> <JSON>                                          notes of a message that has not ended
-- So a record replaces notes by being written. Nothing expired is read; the hash goes with the longest of its fields.

local function timeAt(text, first)
  return tonumber(string.sub(text, first, first + 12))
end

-- The record, or its tombstone, and in how many ms nothing is left of it; nil: nothing that lives, or that can be read.
local function recordIn(text)
  if not text then
    return nil
  end
  local kind, expires = string.sub(text, 1, 1), timeAt(text, 2)
  if kind == 'r' and expires and expires > now then
    return string.sub(text, 15), expires - now
  end
  if kind == 't' then
    local till = timeAt(text, 15)
    local length, rest = string.match(string.sub(text, 28, 40), '^(%d+):()')
    if not (expires and till and length) then
      return nil
    end
    local first = 27 + rest
    if expires > now then
      return string.sub(text, first + length), math.max(expires, till) - now
    elseif till > now then
      return string.sub(text, first, first + length - 1), till - now
    end
  end
  return nil
end

-- Notes that cannot be read are none.
local function notesIn(text)
  if text and string.sub(text, 1, 1) == 'n' and (timeAt(text, 2) or 0) > now then
    local isJson, notes = pcall(cjson.decode, string.sub(text, 15))
    if isJson and type(notes) == 'table' and type(notes.attempts) == 'table' and type(notes.fence) == 'number' then
      return notes
    end
  end
  return nil
end

local stamps = {}
local function stamp(ttl)
  local text = stamps[ttl]
  if not text then
    text = string.format('%013.0f', now + ttl)
    stamps[ttl] = text
  end
  return text
end

-- `ttl` is a time to live in ms, or "<ms> <ms> <tombstone>" with that of the tombstone. Answers the field, and the longer one.
local function recordText(value, ttl)
  local own, longer, tombstone = string.match(ttl, '^(%d+) (%d+) (.*)$')
  if not own then
    return 'r' .. stamp(ttl) .. value, tonumber(ttl)
  end
  return 't' .. stamp(own) .. stamp(longer) .. #tombstone .. ':' .. tombstone .. value,
    math.max(tonumber(own), tonumber(longer))
end

-- A bucket lives as long as its longest field.
local function extend(bucket, ttl)
  if redis.call('PTTL', bucket) < ttl then
    redis.call('PEXPIRE', bucket, whole(math.max(1, ttl)))
  end
end

-- Writes a record unless one lives. Answers whether it was written.
local function keep(bucket, id, value, ttl)
  if recordIn(redis.call('HGET', bucket, id)) then
    return false -- first commit wins
  end
  local text, longest = recordText(value, ttl)
  redis.call('HSET', bucket, id, text)
  extend(bucket, longest)
  return true
end
