-- What is known of a consumer.

local function isRegistered(consumer)
  local leaseEnd = redis.call('ZSCORE', consumers, consumer)
  return leaseEnd and tonumber(leaseEnd) >= 0
end

-- What a consumer holds, as pairs of id and fence (negative: revoked), by id. The field with a space is no message: its long text
-- keeps the hash from being a list that is searched from end to end.
local function holdingsOf(held)
  local fields, holdings = redis.call('HGETALL', held), {}
  for at = 1, #fields, 2 do
    if fields[at] ~= ' ' then
      holdings[#holdings + 1] = { fields[at], tonumber(fields[at + 1]) }
    end
  end
  table.sort(holdings, function(left, right)
    return left[1] < right[1]
  end)
  return holdings
end
