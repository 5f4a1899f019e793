/** Guards and rules of order of the scripts, each taken out once. */
import type { scenarios } from "celeriac/testing/simulation/Scenarios"
import type { directed } from "./directed.ts"
import type { Edit } from "./mutation.ts"

/** How a mutant is caught. */
export type Hunter =
  /** The search begins with the seed, and goes on from 1 when that does not catch it any more. */
  | { readonly seed: number }
  | { readonly scenario: keyof typeof scenarios; readonly seed: number }
  /** A case of the conformance suites; on `two` stores, if it says so. */
  | { readonly rule: string; readonly stores?: "two" }
  /** So rare, or so much inside, that it is shown step by step. */
  | { readonly directed: keyof typeof directed }

export interface Mutant {
  readonly name: string
  readonly by: Hunter
  readonly edits: ReadonlyArray<Edit>
}

const mutant = (name: string, by: Hunter, file: string, find: string, replace = ""): Mutant => ({
  name,
  by,
  edits: [{ file, find, replace }]
})

/** The parts that scripts share. */
const lib = "lib"

export const mutants: ReadonlyArray<Mutant> = [
  mutant(
    "what is given back stays in the hands",
    { directed: "recovery goes in parts" },
    lib,
    "variadic('HDEL', held, ids)"
  ),
  mutant(
    "what was revoked and given back stays known as revoked",
    { rule: "end: a revoked message does not come back when its owner leaves" },
    lib,
    "variadic('SREM', revoked, over)"
  ),
  mutant("a crash is not counted", { seed: 1 }, lib, "redis.call('HINCRBY', crashes, id, 1)"),
  mutant(
    "a crash is counted for what was not known",
    { directed: "who leaves has not run what it was given without knowing, though it knew of it before" },
    lib,
    "if mayHaveRun(id, fence) then",
    "if true then"
  ),
  mutant(
    "what is given back cannot expire",
    { directed: "what a dead consumer held can expire again" },
    lib,
    "      canExpire(id)\n      items",
    "      items"
  ),
  mutant(
    "what is given back goes to the tail",
    { rule: "recover: messages go back to the head of their priority, in their order, and the crash counts" },
    lib,
    "makeReady(items, true)",
    "makeReady(items, false)"
  ),
  mutant(
    "what is given back comes in reverse",
    { rule: "recover: messages go back to the head of their priority, in their order, and the crash counts" },
    lib,
    "for at = #holdings, 1, -1 do",
    "for at = 1, #holdings do"
  ),
  mutant("who is dismissed stays on the books", { seed: 1 }, lib, "redis.call('ZREM', consumers, consumer)"),
  mutant("what the dismissed one held stays", { seed: 1 }, lib, "redis.call('DEL', held)"),
  mutant("who is dismissed stays idle", { seed: 1 }, lib, "  retire(consumer)\nend", "end"),
  mutant(
    "recovery has no limit",
    { directed: "recovery goes in parts" },
    lib,
    "math.max(1, #holdings + 1 - limit)",
    "1"
  ),
  mutant(
    "recovery forgets that there is more",
    { directed: "recovery goes in parts" },
    lib,
    "return moved, first > 1",
    "return moved, false"
  ),
  mutant(
    "more consumers than were named",
    { directed: "many are ended in parts, while a consumer comes" },
    lib,
    "redis.call('ZCARD', consumers) ~= count",
    "false"
  ),
  mutant(
    "consumers that are others",
    { directed: "another consumer in place of one that was known" },
    lib,
    "if not redis.call('ZSCORE', consumers, ARGV[at]) then",
    "if false then"
  ),
  mutant(
    "a note about what is over",
    { rule: "note: progress of a message that is over is refused" },
    lib,
    "if recordIn(text) then",
    "if false then"
  ),
  mutant(
    "an earlier note replaces a later one",
    { rule: "note: one reply each, in their order, of many messages and both kinds", stores: "two" },
    lib,
    "if tonumber(fence) < notes.fence then",
    "if false then"
  ),
  mutant(
    "the fence of a note is forgotten",
    { rule: "note: one reply each, in their order, of many messages and both kinds", stores: "two" },
    lib,
    "notes.fence = tonumber(fence)"
  ),
  mutant(
    "attempts without end",
    { rule: "note: the latest attempts are kept, the oldest first" },
    lib,
    "if #notes.attempts > 10 then",
    "if false then"
  ),
  mutant(
    "notes shorten each other's lives",
    { directed: "a later note with a shorter life does not shorten that of the first" },
    lib,
    "longest = math.max(longest, timeAt(text, 2) - now)"
  ),
  mutant(
    "notes stay for ever",
    { directed: "a bucket lives as long as its longest record" },
    lib,
    "cjson.encode(notes))\n  extend(bucket, longest)",
    "cjson.encode(notes))"
  ),
  mutant(
    "who is being recovered can act",
    { rule: "recover: from its first step on, the consumer can do nothing with what is still in its hands" },
    lib,
    "return leaseEnd and tonumber(leaseEnd) >= 0",
    "return leaseEnd"
  ),
  mutant(
    "an alarm that nobody came for",
    { directed: "an alarm that nobody comes for passes to who asks" },
    lib,
    "and at + 500 >= now"
  ),
  mutant(
    "an alarm for a later time",
    { rule: "due: a later time concerns nobody, an earlier one is told to one, who takes over" },
    lib,
    "at <= due and "
  ),
  mutant(
    "a reservation without end",
    { directed: "a reservation ends with the lease of who was told, and with nothing sooner" },
    lib,
    "if tonumber(till) > now then",
    "if true then"
  ),
  mutant(
    "a reservation for the dead",
    { rule: "suspect: when the one who was told leaves, another is told" },
    lib,
    "  freeReservation(consumer)\n  local _, holder",
    "  local _, holder"
  ),
  mutant(
    "a push that reaches nobody counts",
    { directed: "who waits longest is told first, unless nobody hears it" },
    lib,
    "queue) > 0 then",
    "queue) >= 0 then"
  ),
  mutant(
    "who is told has one slot",
    { rule: "wake: as many as it takes: ten messages for ten slots" },
    lib,
    "first[2] % 1024",
    "1"
  ),
  mutant(
    "who is told covers everything",
    { rule: "wake: as many as it takes: two messages, three idle" },
    lib,
    "missing = missing - first[2] % 1024",
    "missing = 0"
  ),
  mutant(
    "nobody is told of a due time",
    { rule: "wake: one is told of a retry that nobody watches" },
    lib,
    "if due and not isWatched(due) then",
    "if false then"
  ),
  mutant(
    "all are told of a due time",
    { rule: "due: a later time concerns nobody, an earlier one is told to one, who takes over" },
    lib,
    "if due and not isWatched(due) then",
    "if due then"
  ),
  mutant(
    "nobody is told of a suspect",
    { directed: "an idle one is told of a suspect, and no second one" },
    lib,
    "if redis.call('EXISTS', suspects) == 1 and not reservedFor() then",
    "if false then"
  ),
  mutant(
    "all are told of a suspect",
    { directed: "who is told of a suspect leaves the next due time to another" },
    lib,
    "redis.call('EXISTS', suspects) == 1 and not reservedFor()",
    "redis.call('EXISTS', suspects) == 1"
  ),
  mutant(
    "who waits shortest is told first",
    { directed: "who waits longest is told first, unless nobody hears it" },
    lib,
    "redis.call('ZPOPMIN', idle)",
    "redis.call('ZPOPMAX', idle)"
  ),
  mutant("a suspect is no suspect", { seed: 2 }, lib, "counts and tonumber(counts[at]) >= 2", "false"),
  mutant(
    "after one crash it is a suspect",
    { rule: "settle: refused is the ack of a delivery that was given to another one when its lease ended" },
    lib,
    "tonumber(counts[at]) >= 2",
    "tonumber(counts[at]) >= 1"
  ),
  mutant("what is due stays scheduled", { seed: 1 }, lib, "variadic('ZREM', scheduled, members)"),
  mutant(
    "what is scheduled is due",
    { seed: 1 },
    lib,
    "scheduled, '-inf', now, 'BYSCORE'",
    "scheduled, '-inf', '+inf', 'BYSCORE'"
  ),
  mutant(
    "what waits does not expire again",
    { rule: "overdue: not what is held; again when it comes back unstarted; not once a run has ended" },
    lib,
    "redis.call('ZADD', expiring, at, id)"
  ),
  mutant("who leaves stays idle", { seed: 1 }, lib, "redis.call('ZREM', idle, consumer)"),
  mutant(
    "who leaves keeps the alarm",
    { rule: "due: another one is told when the one who watched leaves" },
    lib,
    "redis.call('DEL', alarm)"
  ),
  mutant(
    "who leaves takes the alarm of another",
    { directed: "who leaves takes no alarm but its own" },
    lib,
    "  if holder == consumer then\n    redis.call('DEL', alarm)",
    "  if holder then\n    redis.call('DEL', alarm)"
  ),
  mutant("the description is a message", { seed: 1 }, lib, "if fields[at] ~= ' ' then", "if true then"),
  mutant(
    "addresses have escapes",
    { rule: "encoding: an id of a caller with every character" },
    lib,
    "(string.gsub(cjson.encode({ id, queue }), '\\\\/', '/'))",
    "cjson.encode({ id, queue })"
  ),
  mutant(
    "any character is a priority",
    { rule: "encoding: a message is carried as it is: no message at all" },
    lib,
    "if digit and digit >= 48 and digit <= 57 then",
    "if digit then"
  ),
  mutant(
    "every message has a priority",
    { rule: "encoding: a message is carried as it is: empty" },
    lib,
    "if digit and digit >= 48",
    "if digit >= 48"
  ),
  mutant(
    "a record that is over lives",
    { rule: "publish: an id that a caller chose is free after its record's time to live" },
    lib,
    "if kind == 'r' and expires and expires > now then",
    "if kind == 'r' then"
  ),
  mutant(
    "a record outlives its time before its tombstone",
    { rule: "tombstone: takes the place of a record whose time is over: of an ack" },
    lib,
    "    if expires > now then",
    "    if true then"
  ),
  mutant(
    "a tombstone without end",
    { rule: "tombstone: takes the place of a record whose time is over: of an ack" },
    lib,
    "elseif till > now then",
    "else"
  ),
  mutant(
    "a record goes before its tombstone",
    { rule: "tombstone: takes the place of a record whose time is over: of an ack" },
    lib,
    "math.max(expires, till) - now",
    "expires - now"
  ),
  mutant(
    "a short life shortens those of others",
    { directed: "a bucket lives as long as its longest record" },
    lib,
    "if redis.call('PTTL', bucket) < ttl then",
    "if true then"
  ),
  mutant("records stay for ever", { seed: 1 }, lib, "redis.call('PEXPIRE', bucket, whole(math.max(1, ttl)))"),
  mutant("the last commit wins", { seed: 1 }, lib, "if recordIn(redis.call('HGET', bucket, id)) then", "if false then"),
  mutant(
    "a committed record stays for ever",
    { seed: 1 },
    lib,
    "redis.call('HSET', bucket, id, text)\n  extend(bucket, longest)",
    "redis.call('HSET', bucket, id, text)"
  ),
  mutant(
    "a tombstone does not prolong the life of its record",
    { directed: "a bucket lives as long as its longest record" },
    lib,
    "math.max(tonumber(own), tonumber(longer))",
    "tonumber(own)"
  ),
  mutant(
    "who asks for the end loses the changes",
    { directed: "who asks for the end and for every change, in any order, is told of changes" },
    lib,
    "(changes == '*' or star == '*') and '*' or ''",
    "star"
  ),
  mutant(
    "who asks for changes gets the end only",
    { directed: "who asks for the end and for every change, in any order, is told of changes" },
    lib,
    "(changes == '*' or star == '*') and '*' or ''",
    "changes"
  ),
  mutant(
    "who asks again is listed again",
    { directed: "who asks again stands there once, and prolongs nothing" },
    lib,
    "isKnown = true"
  ),
  mutant(
    "registrations are prolonged without end",
    { directed: "who asks again stands there once, and prolongs nothing" },
    lib,
    "if redis.call('PTTL', shelf) < 0 then",
    "if true then"
  ),
  mutant(
    "registrations stay for ever",
    { directed: "registrations end one by one" },
    lib,
    "redis.call('PEXPIRE', shelf, 2 * minute)"
  ),
  mutant(
    "registrations of all minutes stand together",
    { directed: "who asks again stands there once, and prolongs nothing" },
    lib,
    "% #shelves]",
    "% 1]"
  ),
  mutant(
    "nobody watches any more when one stops",
    { directed: "who asks for the end and for every change, in any order, is told of changes" },
    lib,
    "if name ~= client then",
    "if false then"
  ),
  mutant(
    "who stops watching goes on",
    { rule: "unwatch: nothing is told any more, and others are told as before" },
    lib,
    "if name ~= client then",
    "if true then"
  ),
  mutant(
    "who waits is told once a minute of waiting",
    { directed: "registrations end one by one" },
    lib,
    " and not told[push] then",
    " then"
  ),
  mutant(
    "everybody is told of every change",
    { rule: "watch: of notes, who wants every change is told, who wants the end is not" },
    lib,
    "(ended or star == '*')",
    "true"
  ),
  mutant(
    "those who watch are forgotten at a change",
    { directed: "who asks for the end and for every change, in any order, is told of changes" },
    lib,
    "if ended and #over > 0 then",
    "if #over > 0 then"
  ),
  mutant(
    "those who watch are not forgotten at the end",
    { seed: 1 },
    lib,
    "if ended and #over > 0 then",
    "if false then"
  ),
  mutant(
    "claim: who is lost claims",
    { rule: "recover: the consumer is lost from then on, until it reconciles" },
    "claim",
    "if not isRegistered(consumer) then",
    "if false then"
  ),
  mutant(
    "claim: who claims stays idle",
    { directed: "who comes for what is due by itself and is full then is told of nothing" },
    "claim",
    "redis.call('ZREM', idle, consumer)"
  ),
  mutant(
    "claim: fences do not grow",
    { seed: 1 },
    "claim",
    "redis.call('INCR', fences)",
    "(redis.call('INCR', fences) and 1)"
  ),
  mutant(
    "claim: a hole that is passed stays known",
    { directed: "many are ended in parts, while a consumer comes" },
    "claim",
    "redis.call('SREM', gone, id)"
  ),
  mutant(
    "claim: no limit of bytes",
    { rule: "claim: no further message once the bytes are reached: at least one" },
    "claim",
    "elseif #ids > 0 and size >= bytes then",
    "elseif false then"
  ),
  mutant(
    "claim: less than one",
    { rule: "claim: no further message once the bytes are reached: at least one" },
    "claim",
    "elseif #ids > 0 and size >= bytes then",
    "elseif size + #wire > bytes then"
  ),
  mutant("claim: nobody holds them", { seed: 1 }, "claim", "variadic('HSET', held, fields)"),
  mutant("claim: what runs expires", { seed: 1 }, "claim", "redis.call('ZREM', expiring, unpack(some))"),
  mutant(
    "claim: nobody is told",
    { rule: "together: who follows a message is told of a delivery" },
    "claim",
    "tell(some, false)"
  ),
  mutant(
    "claim: the reservation stays",
    { directed: "a reservation ends when who was told has come" },
    "claim",
    "  freeReservation(consumer)"
  ),
  mutant(
    "claim: the reservation of another is taken away",
    { directed: "a reservation ends with the lease of who was told, and with nothing sooner" },
    lib,
    "  if holder == consumer then\n    redis.call('DEL', reservation)",
    "  if holder then\n    redis.call('DEL', reservation)"
  ),
  mutant("claim: a suspect for who wants none", { seed: 2 }, "claim", "math.min(count, 1) * 100", "100"),
  mutant(
    "claim: all suspects at once",
    { seed: 2 },
    "claim",
    "    if #ids > 0 then\n      break",
    "    if false then\n      break"
  ),
  mutant(
    "claim: holes among suspects stop it",
    { directed: "suspects come one at a time" },
    "claim",
    "math.min(count, 1) * 100",
    "math.min(count, 1)"
  ),
  mutant(
    "claim: alone passes nothing on",
    { directed: "who was told of work and claims a suspect passes the work on" },
    "claim",
    "  wake(readyCount())\n  return",
    "  return"
  ),
  mutant("claim: nothing becomes due", { rule: "time: a delay" }, "claim", "promote(math.max(count, 200))"),
  mutant(
    "claim: no end of holes",
    { directed: "a mass revoke blocks nobody, and what stands behind it is found" },
    "claim",
    "and turns > 0 and",
    "and"
  ),
  mutant(
    "claim: what was too much comes back in reverse",
    { directed: "large messages come whole, and a claim has enough of them" },
    "claim",
    "for at = #popped, extra, -1 do",
    "for at = extra, #popped do"
  ),
  mutant(
    "claim: what was too much is lost",
    { directed: "large messages come whole, and a claim has enough of them" },
    "claim",
    "redis.call('LPUSH', ready(priority), unpack(back))"
  ),
  mutant(
    "claim: idle, although something is left",
    { rule: "wake: not who was stopped by the limit of bytes" },
    "claim",
    "local isIdle = isEmpty and",
    "local isIdle ="
  ),
  mutant(
    "claim: idle, although a suspect waits for it",
    { rule: "suspect: who is told of one, or claims alone, does not count as idle until an ordinary claim" },
    "claim",
    "isEmpty and not suspect",
    "isEmpty"
  ),
  mutant(
    "claim: nobody is idle",
    { rule: "wake: as many as it takes: one message, one idle" },
    "claim",
    "if isIdle then",
    "if false then"
  ),
  mutant(
    "claim: suspects are for all",
    { rule: "suspect: a message that crashed two workers is given alone, and to one consumer" },
    "claim",
    "suspect = not other or other == consumer",
    "suspect = true"
  ),
  mutant(
    "claim: who was told of a suspect is not told again",
    { directed: "an idle one is told of a suspect, and no second one" },
    "claim",
    "suspect = not other or other == consumer",
    "suspect = not other"
  ),
  mutant(
    "claim: suspects are not reserved",
    { rule: "suspect: a message that crashed two workers is given alone, and to one consumer" },
    "claim",
    "redis.call('SET', reservation,",
    "redis.call('GET', reservation) -- "
  ),
  mutant(
    "claim: everybody who is idle watches the due time",
    { rule: "due: one of the idle consumers has the duty, and is told how long it may wait" },
    "claim",
    "(isIdle and not isWatched(due))",
    "isIdle"
  ),
  mutant(
    "claim: who is busy watches the due time",
    { directed: "who is busy watches no due time" },
    "claim",
    "(isIdle and not isWatched(due))",
    "not isWatched(due)"
  ),
  mutant(
    "claim: nobody watches the due time",
    { rule: "due: one of the idle consumers has the duty, and is told how long it may wait" },
    "claim",
    "elseif holder == consumer or (isIdle and not isWatched(due)) then",
    "elseif false then"
  ),
  mutant(
    "claim: who has the duty forgets it",
    { rule: "due: one of the idle consumers has the duty, and is told how long it may wait" },
    "claim",
    "elseif holder == consumer or (",
    "elseif ("
  ),
  mutant(
    "claim: an alarm for nothing stays",
    { directed: "an alarm ends with the last due message" },
    "claim",
    "    redis.call('DEL', alarm)"
  ),
  mutant(
    "claim: nobody looks behind the holes",
    { directed: "a mass revoke blocks nobody, and what stands behind it is found" },
    "claim",
    "dueIn = 0 --",
    "--"
  ),
  mutant(
    "claim: what is left is not passed on",
    { rule: "wake: who is woken while it is full passes it on by a claim of nothing" },
    "claim",
    "  wake(readyCount())\nend",
    "end"
  ),
  mutant(
    "claim: a due time is not passed on",
    { directed: "who is told of a suspect leaves the next due time to another" },
    "claim",
    "  wake(0)"
  ),
  mutant(
    "close: a crash of an earlier delivery counts",
    { directed: "who leaves has not run what it was given without knowing, though it knew of it before" },
    "close",
    "return known[id] == fence",
    "return known[id] ~= nil"
  ),
  mutant(
    "close: in the order of the ids",
    { directed: "what is left behind comes in the order of the claims, not of the ids" },
    "close",
    "  return left[2] < right[2]\n",
    "  return left[1] < right[1]\n"
  ),
  mutant("close: it stays on the books", { seed: 1 }, "close", "dismiss(held, consumer)"),
  mutant(
    "close: nobody is told",
    { rule: "wake: one is told of a consumer that leaves" },
    "close",
    "wake(readyCount())"
  ),
  mutant(
    "commit: who lost is told as if it had won",
    { rule: "commit: the first one wins, and a later one is told" },
    "commit",
    "written and 1 or 0",
    "1"
  ),
  mutant("commit: nobody is told", { seed: 1 }, "commit", "tell(ended, true)"),
  mutant(
    "counts: holes are messages",
    { directed: "many are ended in parts, while a consumer comes" },
    "counts",
    " - redis.call('SCARD', gone)"
  ),
  mutant(
    "counts: suspects do not wait",
    { rule: "suspect: counts as queued" },
    "counts",
    " + redis.call('LLEN', suspects)"
  ),
  mutant(
    "end: what runs is taken",
    { rule: "end: a message that is running" },
    "end",
    "if meant ~= 'any' and holder then",
    "if false then"
  ),
  mutant(
    "end: what is not overdue is taken",
    { rule: "end: as overdue, a message that is waiting for a later time" },
    "end",
    "elseif meant == 'overdue' and",
    "elseif false and"
  ),
  mutant(
    "end: who knows the consumers need not ask again",
    { directed: "many are ended in parts, while a consumer comes" },
    "end",
    "if not knowsConsumers(5, count) then",
    "if false then"
  ),
  mutant(
    "end: the holder forgets that it was revoked",
    { rule: "settle: one reply a settlement, in their order" },
    "end",
    "redis.call('HSET', KEYS[27 + holder], id, '-' .. fence)"
  ),
  mutant(
    "end: the id of what is held though revoked is free",
    { rule: "end: a revoked message is reported to its owner until that lets go of it, and its settle is refused" },
    "end",
    "redis.call('SADD', revoked, id)"
  ),
  mutant(
    "end: the holder is not told",
    { directed: "who watches is told of a revoke, and so is the owner" },
    "end",
    "redis.call('PUBLISH', channels .. 'revoke:'",
    "redis.call('ECHO', channels .. 'revoke:' .. consumer) -- "
  ),
  mutant(
    "end: what is scheduled stays there",
    { seed: 1 },
    "end",
    "redis.call('ZREM', scheduled, priorityOf(wire) .. id) == 0",
    "true"
  ),
  mutant(
    "end: a suspect leaves a hole",
    { rule: "suspect: counts as queued" },
    "end",
    "isSuspect and redis.call('LREM', suspects, 1, id) == 1",
    "false"
  ),
  mutant(
    "end: holes are not known",
    { directed: "many are ended in parts, while a consumer comes" },
    "end",
    "redis.call('SADD', gone, id)"
  ),
  mutant(
    "end: crashes outlive the message",
    { directed: "an id that left a hole among the suspects stands in one place" },
    "end",
    "redis.call('HDEL', crashes, id)"
  ),
  mutant("end: its time outlives the message", { seed: 2 }, "end", "redis.call('HDEL', expires, id)"),
  mutant("end: the message stays overdue", { seed: 2 }, "end", "redis.call('ZREM', expiring, id)"),
  mutant("end: the message stays", { seed: 1 }, "end", "redis.call('HDEL', messages, id)"),
  mutant("end: no record", { seed: 1 }, "end", "keep(KEYS[bucket], id, record, ttl)"),
  mutant(
    "end: nobody is told",
    { rule: "together: the record of an end is stored with it, and who waits is told" },
    "end",
    "tell(over, true)"
  ),
  mutant(
    "forget: what has not ended",
    { rule: "forget: a message that has not ended gets no tombstone, and loses its notes" },
    "forget",
    "if isRecord and ARGV[3] ~= '' then",
    "if ARGV[3] ~= '' then"
  ),
  mutant(
    "forget: the tombstone goes with the record",
    { directed: "a bucket lives as long as its longest record" },
    "forget",
    "extend(bucket, ttl)"
  ),
  mutant(
    "forget: no tombstone",
    { rule: "forget: what is kept is replaced by the tombstone, or removed, and the id is free when nothing is left" },
    "forget",
    "if isRecord and ARGV[3] ~= '' then",
    "if false then"
  ),
  mutant(
    "locate: who knows the consumers need not ask again",
    { directed: "many are found in parts, while a consumer comes" },
    "locate",
    "if not knowsConsumers(4, count) then",
    "if false then"
  ),
  mutant(
    "note: by who does not hold it",
    { rule: "together: refused are notes of another consumer" },
    "note",
    "(not livesHere or redis.call('HGET', held, id) == fence) and "
  ),
  mutant(
    "note: of another delivery",
    { rule: "together: refused are notes of its owner with the fence of an earlier delivery" },
    "note",
    "redis.call('HGET', held, id) == fence",
    "redis.call('HGET', held, id)"
  ),
  mutant(
    "note: by who is not known here",
    { rule: "encoding: records and notes are carried as they are: empty", stores: "two" },
    "note",
    "not livesHere or "
  ),
  mutant(
    "note: nobody is told",
    { directed: "who asks for the end and for every change, in any order, is told of changes" },
    "note",
    "tell(told, false)"
  ),
  mutant(
    "overdue: what is in time",
    { rule: "overdue: waiting and scheduled messages past their time, whoever consumes them" },
    "overdue",
    "'-inf', now, 'BYSCORE'",
    "'-inf', '+inf', 'BYSCORE'"
  ),
  mutant(
    "overdue: no limit of bytes",
    { rule: "overdue: at most as many as asked for, and no further one once the bytes are reached" },
    "overdue",
    "if given > 0 and size >= bytes then",
    "if false then"
  ),
  mutant(
    "overdue: none that is large",
    { rule: "overdue: at most as many as asked for, and no further one once the bytes are reached" },
    "overdue",
    "if given > 0 and size >= bytes then",
    "if size >= bytes or bytes < 10 then"
  ),
  mutant(
    "publish: answers are forgotten",
    { rule: "publish: a batch that is sent again gets the first answer, and changes nothing" },
    "publish",
    "if number == sequence then",
    "if false then"
  ),
  mutant(
    "publish: late copies are taken",
    { directed: "a late first copy does nothing" },
    "publish",
    "if tonumber(sequence) <= highest and not resend then",
    "if false then"
  ),
  mutant(
    "publish: the id of what is held though revoked is free",
    { directed: "the id of what is held though revoked is taken, however it comes" },
    "publish",
    "if rare and redis.call('SISMEMBER', revoked, id) == 1 then",
    "if false then"
  ),
  mutant(
    "publish: nothing was revoked",
    { directed: "the id of what is held though revoked is taken, however it comes" },
    "publish",
    "redis.call('EXISTS', gone, revoked) > 0",
    "redis.call('EXISTS', gone) > 0"
  ),
  mutant(
    "publish: there are no holes",
    { directed: "an id that left a hole stands in one place" },
    "publish",
    "redis.call('EXISTS', gone, revoked) > 0",
    "redis.call('EXISTS', revoked) > 0"
  ),
  mutant(
    "publish: what ended is free",
    { rule: "publish: an id that a caller chose is refused after its end, while its record lives" },
    "publish",
    "if bucket > 0 and recordIn(",
    "if false and recordIn("
  ),
  mutant(
    "publish: what lives is free",
    { rule: "publish: one receipt a message, in their order" },
    "publish",
    "redis.call('HSETNX', messages, id, wire) == 0",
    "redis.call('HSET', messages, id, wire) == 9"
  ),
  mutant(
    "publish: into a hole",
    { directed: "an id that left a hole stands in one place" },
    "publish",
    "if rare and redis.call('SISMEMBER', gone, id) == 1 then",
    "if false then"
  ),
  mutant(
    "publish: a hole that was closed stays known",
    { directed: "an id that left a hole stands in one place" },
    "publish",
    "redis.call('SREM', gone, id)"
  ),
  mutant(
    "publish: all generated ids are new",
    { rule: "publish: an id that is in use is one message, also when nobody asked for a check" },
    "publish",
    "isFree = isFree and not wire"
  ),
  mutant(
    "publish: no id twice in a batch",
    { directed: "an id twice in a batch is one message" },
    "publish",
    "isFree = isFree and not seen[id]"
  ),
  mutant(
    "publish: generated ids are free although some are held",
    { directed: "the id of what is held though revoked is taken, however it comes" },
    "publish",
    "local isFree = not rare",
    "local isFree = true"
  ),
  mutant(
    "publish: a message is a duplicate of itself",
    { directed: "a batch whose answer is forgotten is looked up" },
    "publish",
    "if ARGV[at + 4] == '1' or not resend then",
    "if true then"
  ),
  mutant(
    "publish: a chosen id is accepted twice",
    { directed: "a batch whose answer is forgotten is looked up" },
    "publish",
    "if ARGV[at + 4] == '1' or not resend then",
    "if not resend then"
  ),
  mutant(
    "publish: nothing expires",
    { rule: "overdue: waiting and scheduled messages past their time, whoever consumes them" },
    "publish",
    "redis.call('ZADD', expiring, expiry, id)"
  ),
  mutant(
    "publish: expires once only",
    { rule: "overdue: not what is held; again when it comes back unstarted; not once a run has ended" },
    "publish",
    "redis.call('HSET', expires, id, expiry)"
  ),
  mutant(
    "publish: one answer is remembered",
    { rule: "publish: the two latest batches of a publisher are recognised, in any order" },
    "publish",
    "sequence % 16",
    "'only'"
  ),
  mutant(
    "publish: all answers are remembered",
    { directed: "a batch whose answer is forgotten is looked up" },
    "publish",
    "sequence % 16",
    "sequence"
  ),
  mutant(
    "publish: publishers are remembered for ever",
    { seed: 1 },
    "publish",
    "redis.call('PEXPIRE', publisher, 3600000)"
  ),
  mutant(
    "publish: nobody is told",
    { rule: "wake: as many as it takes: one message, one idle" },
    "publish",
    "wake(added)"
  ),
  mutant(
    "publish: delays are times",
    { rule: "time: a delay" },
    "publish",
    "(string.sub(when, 1, 1) == '+' and now or 0)",
    "0"
  ),
  mutant(
    "read: who asks for what is over watches it",
    { rule: "watch: a message that is over is told in the answer, and not again" },
    "read",
    "if client ~= '' and not record then",
    "if client ~= '' then"
  ),
  mutant(
    "read: nobody watches",
    { directed: "who asks for the end and for every change, in any order, is told of changes" },
    "read",
    "if client ~= '' and not record then",
    "if false then"
  ),
  mutant(
    "read: old attempts",
    { directed: "each attempt has a life of its own" },
    "read",
    "if attempt[2] > now then",
    "if true then"
  ),
  mutant(
    "read: old progress",
    { directed: "a later note with a shorter life does not shorten that of the first" },
    "read",
    "and notes.progress[2] > now"
  ),
  mutant("read: where the queue lives is believed", { seed: 1 }, "read", "livesHere and live or -1", "live"),
  mutant(
    "read: a queue that lives here is not known",
    { rule: "together: whether a queue holds the message is told by read" },
    "read",
    "local livesHere = ARGV[5] == '1'",
    "local livesHere = false"
  ),
  mutant(
    "reconcile: in the middle of a recovery",
    { directed: "a recovery that has begun cannot be undone" },
    "reconcile",
    "if leaseEnd < 0 then",
    "if false then"
  ),
  mutant(
    "reconcile: after a recovery nobody is told",
    { directed: "a recovery that has begun cannot be undone" },
    "reconcile",
    "wake(readyCount())"
  ),
  mutant(
    "reconcile: the lost one is not registered",
    { rule: "settle: refused is the ack of a delivery from before it was lost and registered anew" },
    "reconcile",
    "redis.call('ZADD', consumers, whole(now + lease), consumer)"
  ),
  mutant(
    "reconcile: the lost one has no name",
    { rule: "recover: the consumer is lost from then on, until it reconciles" },
    "reconcile",
    "redis.call('HSETNX', held, ' ', ARGV[5])"
  ),
  mutant(
    "reconcile: what was revoked is found",
    { rule: "reconcile: tells what the consumer believes to hold, and does not" },
    "reconcile",
    "if holding[2] < 0 then",
    "if false then"
  ),
  mutant(
    "reconcile: what was revoked stays in the hands",
    { rule: "reconcile: tells what the consumer believes to hold, and does not" },
    "reconcile",
    "variadic('HDEL', held, over)"
  ),
  mutant(
    "reconcile: what was revoked stays known as revoked",
    { rule: "end: a revoked message does not come back when its owner reconciles" },
    "reconcile",
    "variadic('SREM', revoked, over)"
  ),
  mutant(
    "reconcile: the consumer is believed",
    { rule: "recover: the consumer is lost from then on, until it reconciles" },
    "reconcile",
    "lost[#lost + 1] = (at - 6) / 2",
    "lost = lost"
  ),
  mutant(
    "reconcile: any delivery will do",
    { rule: "reconcile: tells what the consumer believes to hold, and does not" },
    "reconcile",
    "if holds[ARGV[at]] == tonumber(ARGV[at + 1]) then",
    "if holds[ARGV[at]] then"
  ),
  mutant(
    "reconcile: nothing is found",
    { rule: "reconcile: a second time finds nothing new" },
    "reconcile",
    "if holds[id] then",
    "if false then"
  ),
  mutant(
    "reconcile: crashes are forgotten",
    { directed: "what is found has crashed as often as before" },
    "reconcile",
    "tonumber(redis.call('HGET', crashes, id) or 0)",
    "0"
  ),
  mutant(
    "recover: the living",
    { rule: "recover: nothing when its lease has not ended" },
    "recover",
    "if leaseEnd > now then",
    "if false then"
  ),
  mutant(
    "recover: without a second witness",
    { rule: "recover: nothing when it has renewed since it was seen, and that lease has ended too" },
    "recover",
    "if leaseEnd >= 0 and leaseEnd ~= reported then",
    "if false then"
  ),
  mutant(
    "recover: one that is not there",
    { rule: "recover: nothing when nobody knows the consumer" },
    "recover",
    "if not leaseEnd then",
    "if false then"
  ),
  mutant(
    "recover: it goes on",
    { rule: "recover: from its first step on, the consumer can do nothing with what is still in its hands" },
    "recover",
    "redis.call('ZADD', consumers, -1, consumer)"
  ),
  mutant(
    "recover: it stays idle while it lasts",
    { directed: "a recovery that has begun cannot be undone" },
    "recover",
    "retire(consumer)"
  ),
  mutant("recover: it stays on the books", { seed: 1 }, "recover", "dismiss(held, consumer)"),
  mutant(
    "recover: it ends with the first part",
    { rule: "recover: as many as there are, in as many steps as it takes, in their order" },
    "recover",
    "if not more then",
    "if true then"
  ),
  mutant(
    "recover: nobody is told",
    { rule: "wake: one is told of a consumer that is lost" },
    "recover",
    "wake(readyCount())"
  ),
  mutant(
    "register: in the middle of a recovery",
    { directed: "a recovery that has begun cannot be undone" },
    "register",
    "if not leaseEnd or tonumber(leaseEnd) >= 0 then",
    "if true then"
  ),
  mutant(
    "register: a living one is not extended",
    { directed: "a second registration extends the lease" },
    "register",
    "if not leaseEnd or tonumber(leaseEnd) >= 0 then",
    "if not leaseEnd then"
  ),
  mutant(
    "register: nobody knows who it is",
    { rule: "renew: there is no doubt while both sides agree" },
    "register",
    "redis.call('HSET', held, ' ', ARGV[5])"
  ),
  mutant(
    "renew: the lost one",
    { rule: "recover: the consumer is lost from then on, until it reconciles" },
    "renew",
    "if not isRegistered(consumer) then",
    "if false then"
  ),
  mutant(
    "renew: does not extend",
    { rule: "renew: extends the lease, for as long as it goes on" },
    "renew",
    "redis.call('ZADD', consumers, whole(now + lease), consumer)"
  ),
  mutant(
    "renew: leases in the far future are believed",
    { directed: "the clock goes back: leases are cut to their lengths, each to its own, and none is extended" },
    "renew",
    "redis.call('ZADD', consumers, whole(latest), ahead[at])"
  ),
  mutant(
    "renew: each lease is cut to one's own",
    { directed: "the clock goes back: leases are cut to their lengths, each to its own, and none is extended" },
    "renew",
    "tonumber(string.match(name, '%.(%d+)$')) or lease",
    "lease"
  ),
  mutant(
    "renew: leases that are long are cut",
    { directed: "the clock goes back: leases are cut to their lengths, each to its own, and none is extended" },
    "renew",
    "if tonumber(ahead[at + 1]) > latest then",
    "if true then"
  ),
  mutant(
    "renew: nobody is suspected",
    { rule: "wake: one is told of a consumer that is lost" },
    "renew",
    "if now - (leaseEnd - length) >= length / 3 + math.min(500, length / 8) then",
    "if false then"
  ),
  mutant(
    "renew: everybody is suspected",
    { rule: "renew: peers of the same queue that are silent are reported, with what is left of their lease" },
    "renew",
    "if now - (leaseEnd - length) >= length / 3 + math.min(500, length / 8) then",
    "if true then"
  ),
  mutant(
    "renew: what was revoked is not told",
    { rule: "end: a revoked message is reported to its owner until that lets go of it, and its settle is refused" },
    "renew",
    "if holding[2] < 0 then",
    "if false then"
  ),
  mutant(
    "renew: the description counts",
    { rule: "renew: there is no doubt while both sides agree" },
    "renew",
    "redis.call('HLEN', held) - 1",
    "redis.call('HLEN', held)"
  ),
  mutant(
    "reschedule: by the lost one",
    { directed: "a recovery that has begun cannot be undone" },
    "reschedule",
    "if not isRegistered(consumer) then",
    "if false then"
  ),
  mutant(
    "reschedule: of another delivery",
    { rule: "settle: refused is the release of a delivery that it gave back and claimed again" },
    "reschedule",
    "if mine ~= fence then",
    "if not mine then"
  ),
  mutant(
    "reschedule: by who does not hold it",
    { rule: "settle: refused is the release of a delivery that it settled before" },
    "reschedule",
    "if mine ~= fence then",
    "if false then"
  ),
  mutant(
    "reschedule: what was revoked is never let go of",
    { rule: "end: a revoked message does not come back when its owner gives it back" },
    "reschedule",
    "if mine == '-' .. fence then",
    "if false then"
  ),
  mutant(
    "reschedule: what was revoked stays known as revoked",
    { rule: "end: a revoked message does not come back when its owner gives it back" },
    "reschedule",
    "redis.call('SREM', revoked, id)"
  ),
  mutant(
    "reschedule: it stays in the hands",
    { rule: "settle: refused is the ack of a delivery that it gave back" },
    "reschedule",
    "    redis.call('HDEL', held, id)\n    if wire",
    "    if wire"
  ),
  mutant(
    "reschedule: the message stays as it was",
    { rule: "reschedule: the message comes back as it was given back, or as it was" },
    "reschedule",
    "redis.call('HSET', messages, id, wire)"
  ),
  mutant(
    "reschedule: what has run expires",
    { rule: "overdue: not what is held; again when it comes back unstarted; not once a run has ended" },
    "reschedule",
    "redis.call('HDEL', expires, id)"
  ),
  mutant(
    "reschedule: nothing expires",
    { rule: "overdue: not what is held; again when it comes back unstarted; not once a run has ended" },
    "reschedule",
    "canExpire(id)"
  ),
  mutant(
    "reschedule: head and tail are the same",
    { rule: "order: releases go to the head, one after the other" },
    "reschedule",
    "makeReady(toHead, true)",
    "makeReady(toHead, false)"
  ),
  mutant(
    "reschedule: no note",
    { rule: "together: the note of a retry is stored with it, and notes go with the record" },
    "reschedule",
    "if bucket > 0 then",
    "if false then"
  ),
  mutant(
    "reschedule: nobody who watches is told",
    { directed: "who follows a message is told when it is given back" },
    "reschedule",
    "tell(ids, false)"
  ),
  mutant("reschedule: nobody is told", { rule: "wake: one is told of a release" }, "reschedule", "wake(added)"),
  mutant(
    "settle: by the lost one",
    { rule: "recover: from its first step on, the consumer can do nothing with what is still in its hands" },
    "settle",
    "if not isRegistered(consumer) then",
    "if false then"
  ),
  mutant(
    "settle: of another delivery",
    { rule: "settle: one reply a settlement, in their order" },
    "settle",
    "if mine[at] == fence then",
    "if mine[at] then"
  ),
  mutant(
    "settle: by who does not hold it",
    { rule: "settle: one reply a settlement, in their order" },
    "settle",
    "if mine[at] == fence then",
    "if true then"
  ),
  mutant(
    "settle: what was revoked is never let go of",
    { rule: "end: a revoked message is reported to its owner until that lets go of it, and its settle is refused" },
    "settle",
    "if mine[at] == '-' .. fence then",
    "if false then"
  ),
  mutant(
    "settle: what was revoked stays in the hands",
    { rule: "end: a revoked message is reported to its owner until that lets go of it, and its settle is refused" },
    "settle",
    "redis.call('HDEL', held, unpack(dropped))"
  ),
  mutant(
    "settle: what was revoked stays known as revoked",
    { rule: "end: what its owner does with a revoked message does not touch another message of the same id" },
    "settle",
    "redis.call('SREM', revoked, unpack(dropped))"
  ),
  mutant(
    "settle: the last commit wins",
    { rule: "together: the first record stays, whoever wrote it" },
    "settle",
    "if not recordIn(known) then",
    "if true then"
  ),
  mutant(
    "settle: records stay for ever",
    { directed: "a bucket lives as long as its longest record" },
    "settle",
    "extend(KEYS[bucket], longest)"
  ),
  mutant(
    "settle: the shortest life counts for all",
    { directed: "a bucket lives as long as its longest record" },
    "settle",
    "longest = math.max(longest, ttl)",
    "longest = ttl"
  ),
  mutant(
    "settle: it stays in the hands",
    { rule: "settle: one reply a settlement, in their order" },
    "settle",
    "redis.call('HDEL', held, unpack(ended))"
  ),
  mutant(
    "settle: the message stays",
    { rule: "publish: an id that a caller chose is free after its record's time to live" },
    "settle",
    "redis.call('HDEL', messages, unpack(ended))"
  ),
  mutant("settle: crashes outlive the message", { seed: 1 }, "settle", "redis.call('HDEL', crashes, unpack(ended))"),
  mutant("settle: its time outlives the message", { seed: 1 }, "settle", "redis.call('HDEL', expires, unpack(ended))"),
  mutant("settle: nobody is told", { directed: "who watches is told of a settle" }, "settle", "tell(ended, true)"),
  mutant(
    "settle: a letter that is replaced counts on",
    { directed: "an id that dies twice is one letter, and its bytes count once" },
    "settle",
    "bytes + #wire - sizeOf(id)",
    "bytes + #wire"
  ),
  mutant(
    "settle: letters that go count on",
    { directed: "an id that dies twice is one letter, and its bytes count once" },
    "settle",
    "bytes = bytes - sizeOf(oldest)"
  ),
  mutant(
    "settle: letters without end",
    { directed: "there are so many letters and no more" },
    "settle",
    "(count > mostDead or bytes > mostDeadBytes)",
    "(bytes > mostDeadBytes)"
  ),
  mutant(
    "settle: letters of any size",
    { directed: "an id that dies twice is one letter, and its bytes count once" },
    "settle",
    "(count > mostDead or bytes > mostDeadBytes)",
    "(count > mostDead)"
  ),
  mutant(
    "settle: the newest letter goes too",
    { directed: "the newest letter stays, however large it is" },
    "settle",
    "while count > 1 and",
    "while count > 0 and"
  ),
  mutant(
    "settle: a letter that went is kept",
    { directed: "an id that dies twice is one letter, and its bytes count once" },
    "settle",
    "redis.call('HDEL', letters, oldest)"
  ),
  mutant(
    "settle: what went is not counted",
    { directed: "an id that dies twice is one letter, and its bytes count once" },
    "settle",
    "redis.call('HINCRBY', letters, ' dropped', dropped)"
  ),
  mutant(
    "settle: no wire for a letter",
    { directed: "letters and messages that have vanished hold nobody up" },
    "settle",
    "redis.call('HGET', messages, id) or ''",
    "redis.call('HGET', messages, id)"
  ),
  mutant(
    "settle: a letter that is missing",
    { rule: "ack: a dead message is kept with its reason, the latest first" },
    "settle",
    "return type(wire) == 'string' and #wire or 0",
    "return #wire"
  ),
  mutant(
    "settle: a letter that is no JSON",
    { directed: "letters and messages that have vanished hold nobody up" },
    "settle",
    "pcall(cjson.decode, redis.call('HGET', letters, id) or '')",
    "true, cjson.decode(redis.call('HGET', letters, id) or '{}')"
  ),
  mutant(
    "unwatch: nothing",
    { rule: "unwatch: nothing is told any more, and others are told as before" },
    "unwatch",
    "unwatch(ARGV[at], ARGV[3])"
  )
]

/** Of the code around the scripts: files below the package. */
export const sourceMutants: ReadonlyArray<Mutant> = [
  mutant(
    "one delivery twice in a call",
    { rule: "settle: one delivery twice in a call is settled once" },
    "src/internal/consumer.ts",
    "ids.delete(one.delivery.id) ?",
    "true ?"
  ),
  mutant(
    "what follows a refused settlement is published",
    { rule: "settle: continuations of a refused settlement are not published" },
    "src/internal/consumer.ts",
    "fences[index] === String(delivery.fence)",
    "true"
  ),
  mutant(
    "continuations are not looked up",
    { rule: "continuations: are published with the settlement, once however often they come" },
    "src/internal/broker.ts",
    "sequence, resend: true, messages: some",
    "sequence, resend: false, messages: some"
  ),
  mutant(
    "consumers that changed are not asked for again",
    { directed: "many are ended in parts, while a consumer comes" },
    "src/internal/broker.ts",
    "reply ?? []",
    'reply ?? part.map(() => "absent")'
  ),
  mutant(
    "each part begins from the first",
    { directed: "many are found in parts, while a consumer comes" },
    "src/internal/broker.ts",
    "items.slice(answers.length,",
    "items.slice(0,"
  ),
  mutant(
    "duplicates are named in the order of the script",
    { directed: "answers of a batch are in its order" },
    "src/internal/broker.ts",
    ".map((place) => inOrder[place])",
    ".map((place) => messages[place])"
  ),
  mutant(
    "what is sent again is not looked up",
    { directed: "a batch whose answer is forgotten is looked up" },
    "src/internal/broker.ts",
    "const count = resend ? 0 : plain.length",
    "const count = plain.length"
  ),
  mutant(
    "chosen ids are like generated ones",
    { rule: "publish: an id that a caller chose is refused after its end, while its record lives" },
    "src/internal/broker.ts",
    "  checked !== true && expiresAt",
    "  expiresAt"
  ),
  mutant(
    "overdue: bytes are counted for each queue",
    { directed: "what is overdue is limited over all queues" },
    "src/internal/broker.ts",
    "if (bytes <= 0) count = 0"
  ),
  mutant(
    "a queue is not announced for its consumers",
    { rule: "queues: lists a queue from its first consumer on" },
    "src/internal/broker.ts",
    "failing(Effect.forEach(options.queues, announce, { discard: true }))",
    "Effect.void"
  ),
  mutant(
    "half of a settle counts as all of it",
    { directed: "a settle is all or nothing when the consumer is lost" },
    "src/internal/consumer.ts",
    "if (refusedEnds === null || refusedOthers === null) return null"
  ),
  mutant(
    "a lost consumer settles on",
    { directed: "a settle is all or nothing when the consumer is lost" },
    "src/internal/items.ts",
    "if (part === null) return null",
    "if (part === null) continue"
  ),
  mutant(
    "a life in parts is a second long",
    { rule: "together: a tombstone takes the place of a record whose time is over, and no other record does" },
    "src/internal/items.ts",
    "tombstone === undefined ? whole(ttl) : ",
    "tombstone !== undefined ? whole(ttl) : "
  ),
  mutant(
    "nobody knows where the queue lives",
    { directed: "a queue that never had a message is known to live here" },
    "src/internal/results.ts",
    "server.hasBroker() ? 1 : 0",
    "0"
  )
]
