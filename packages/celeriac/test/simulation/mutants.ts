/** Guards and rules of order, each taken out once. */
import type { scenarios } from "../../src/testing/simulation/Scenarios.ts"
import type { directed } from "./directed.ts"
import type { Edit, Mutant } from "./mutation.ts"

/** How a mutant is caught. The search begins with the seed, and goes on from 1 when that does not catch it any more. */
export type Hunter =
  | { readonly seed: number }
  | { readonly scenario: keyof typeof scenarios; readonly seed: number }
  /** So rare that it is shown step by step. */
  | { readonly directed: keyof typeof directed }

export interface Case extends Mutant {
  readonly by: Hunter
}

const store = "memory/Store.ts"
const leases = "memory/Leases.ts"
const records = "memory/Records.ts"
const queue = "memory/Queue.ts"
const consumer = "Driver.ts"
const lease = "internal/worker/Lease.ts"
const fetcher = "internal/worker/Fetcher.ts"
const runs = "internal/worker/Runs.ts"
const admission = "internal/worker/admission.ts"
const settler = "internal/worker/Settler.ts"
const housekeeping = "internal/worker/Housekeeping.ts"
const publisher = "internal/Publisher.ts"
const replies = "internal/Replies.ts"

const cut = (file: string, find: string, replace = ""): Edit => ({ file, find, replace })

const mutant = (name: string, by: Hunter, ...edits: ReadonlyArray<Edit>): Case => ({ name, by, edits })

export const mutants: ReadonlyArray<Case> = [
  mutant(
    "publish forgets its answers",
    { seed: 15 },
    cut(store, "if (answer !== undefined) return answer // carried out before")
  ),
  mutant(
    "publish takes late copies",
    { seed: 112 },
    cut(store, 'if (!resend) return messages.map(() => "duplicate") // a late copy')
  ),
  mutant("publish ignores what lives", { seed: 2 }, cut(store, 'if (queue.live.has(id)) return "in use" // one place')),
  mutant(
    "publish ignores what is held though revoked",
    { directed: "the id of what is held though revoked is taken" },
    cut(store, 'if (queue.revoked.has(id)) return "in use" // still in the hands of a consumer')
  ),
  mutant(
    "publish ignores records",
    { seed: 1 },
    cut(store, "if ((lookUp || message.checked === true) && Records", "if (false && Records")
  ),
  mutant(
    "publish does not look up own ids",
    { seed: 1 },
    cut(store, "if ((lookUp || message.checked === true) && Records", "if (lookUp && Records")
  ),
  mutant(
    "publish does not look up what is sent again",
    { directed: "a message that ended is not sent again" },
    cut(store, "if ((lookUp || message", "if ((message")
  ),
  mutant(
    "publish calls its own message a duplicate",
    { directed: "a message that is sent again is no duplicate of itself" },
    cut(store, 'return resend && message.checked !== true ? "accepted" : "duplicate"', 'return "duplicate"')
  ),
  mutant(
    "recovery does not stop the consumer",
    { directed: "recovery stops the consumer, also when it is not over" },
    cut(store, "if (holder.leaseEnd < 0) return undefined // recovery began")
  ),
  mutant(
    "settle by who does not hold it",
    { seed: 4 },
    cut(store, "holder.held.get(delivery.id)", "queue.live.get(delivery.id)")
  ),
  mutant(
    "settle of an earlier delivery",
    { seed: 14 },
    cut(store, 'if (entry.fence !== delivery.fence) return "refused" // ownership: a later delivery')
  ),
  mutant("settle of what is revoked", { seed: 115 }, cut(store, "    if (entry.revoked) {", "    if (false) {")),
  mutant(
    "note by who does not hold it",
    { directed: "only the owner notes" },
    cut(store, 'if (queue !== undefined && !owns(queue, one)) return "refused" // ownership')
  ),
  mutant(
    "end takes what runs",
    { seed: 44 },
    cut(store, 'if (entry.holder !== undefined && meant !== "any") return "spared" // it runs')
  ),
  mutant("end forgets the holder", { seed: 6 }, cut(store, "      entry.revoked = true\n")),
  mutant("fences do not grow", { seed: 1 }, cut(store, "  queue.fence++\n")),
  mutant(
    "recovery of the living",
    { directed: "recovery waits for the end of the lease" },
    cut(leases, "if (holder.leaseEnd > now) return { moved: 0, more: false } // first witness: the lease ended")
  ),
  mutant(
    "recovery without a second witness",
    { directed: "recovery wants a lease that did not move" },
    cut(
      leases,
      "if (holder.leaseEnd >= 0 && holder.leaseEnd !== suspect.leaseEnd) return { moved: 0, more: false } // second witness: it did not move"
    )
  ),
  mutant("recovery is not counted", { seed: 1 }, cut(leases, "entry.crashes++ // the crash counts")),
  mutant(
    "recovery revives what is revoked",
    { seed: 6 },
    cut(leases, "    if (entry.revoked) continue // it is over\n    entry.crashes++", "    entry.crashes++")
  ),
  mutant(
    "reconcile registers in the middle of a recovery",
    { directed: "reconciling ends a recovery that has begun" },
    cut(leases, "if (previous !== undefined && previous.leaseEnd < 0) giveBack(store, queue, now, previous, Infinity)")
  ),
  mutant(
    "reconcile believes its consumer",
    { directed: "reconciling tells what is lost" },
    cut(leases, "else lost.push(delivery) // ownership", "else void delivery")
  ),
  mutant("reconcile finds nothing", { seed: 8 }, cut(leases, "if (!certain.has(id)) found", "if (false) found")),
  mutant(
    "reconcile holds on to what is revoked",
    { directed: "what was revoked is not found" },
    cut(leases, "for (const entry of Array.from(held.values())) if (entry.revoked) Queue.letGo(entry)")
  ),
  mutant("renew does not extend", { seed: 1 }, cut(leases, "  holder.leaseEnd = now + holder.lease\n")),
  mutant("renew sees no suspects", { seed: 1 }, cut(leases, "if (silent < patience(lease) ||", "if (true ||")),
  mutant(
    "renew believes in leases of the far future",
    { directed: "a lease that ends in the far future is cut" },
    cut(leases, "if (other.leaseEnd > now + other.lease) other.leaseEnd = now + other.lease // clamp")
  ),
  mutant(
    "close keeps what it holds",
    { directed: "who leaves gives back" },
    cut(
      leases,
      "for (const entry of Array.from(holder.held.values()).toReversed()) {",
      "for (const entry of Array.from(holder.held.values()).slice(0, 0)) {"
    )
  ),
  mutant(
    "close counts no crash",
    { directed: "who leaves gives back" },
    cut(leases, "if (fences.get(entry.id) === entry.fence) entry.crashes++ // it may have run")
  ),
  mutant(
    "a suspect is no suspect",
    { seed: 2 },
    cut(queue, "entry.crashes >= suspectCrashes // a suspect is claimed alone", "false")
  ),
  mutant(
    "the last commit wins",
    { seed: 1 },
    cut(records, "if (hasRecord(shelf, now, id)) return false // first commit wins")
  ),
  mutant(
    "an earlier note replaces a later one",
    { directed: "a later note stays" },
    cut(records, "if (note.fence < notes.fence) return false // fence: a later delivery has written")
  ),
  mutant(
    "forget of what has not ended",
    { directed: "what has not ended cannot be forgotten" },
    cut(records, "if (!hasRecord(shelf, now, id)) continue // only what has ended")
  ),
  mutant(
    "the consumer doubts nothing",
    { seed: 14 },
    cut(consumer, "doubt: renewals.some(({ doubt }) => doubt)", "doubt: false")
  ),
  mutant(
    "no margin",
    { seed: 33 },
    cut(lease, "goodUntil - margin - (yield* monotonic)", "goodUntil - (yield* monotonic)")
  ),
  mutant(
    "the lease counts from the reply",
    { scenario: "late renewal", seed: 23 },
    cut(lease, "goodUntil = Math.max(goodUntil, sentAt + lease)", "goodUntil = (yield* monotonic) + lease")
  ),
  mutant("no guard", { seed: 33 }, cut(lease, 'yield* supervise("worker.lease.guard", Effect.forever(guard))')),
  mutant(
    "a worker watches others too shortly",
    { scenario: "the clock jumps", seed: 8 },
    cut(lease, "const watching = every + Math.min(250, lease / 8)", "const watching = 0")
  ),
  mutant(
    "what is lost goes on",
    { scenario: "lost and back", seed: 3 },
    cut(lease, "      runs.lose(lost)\n"),
    cut(lease, 'yield* giveUp("the lease of this worker ended")')
  ),
  mutant("what is found is left", { seed: 8 }, cut(lease, "      runs.accept(found)\n")),
  mutant(
    "doubt is not cleared",
    { seed: 8 },
    cut(lease, "if (renewal.doubt || !registered.isOpen()) yield* reconcile")
  ),
  mutant(
    "a late look for revoked ones",
    { scenario: "deaf worker", seed: 1 },
    cut(lease, "for (const address of renewal.revoked) runs.revoke(address)")
  ),
  mutant(
    "what comes back to the same worker is dropped",
    { seed: 63 },
    cut(runs, "known.following = delivery", "void delivery")
  ),
  mutant(
    "what comes back runs at once",
    { scenario: "back to the same", seed: 1 },
    cut(
      runs,
      "      if (known !== undefined) {",
      "      if (known !== undefined && known.delivery.fence === delivery.fence) {"
    )
  ),
  mutant(
    "a suspect waits for nobody",
    { seed: 2 },
    cut(fetcher, "Effect.timeoutOption(emptied, lease)", "Effect.timeoutOption(emptied, 0)")
  ),
  mutant(
    "a suspect is not left to others",
    { scenario: "poison among long runs", seed: 1 },
    cut(fetcher, "if (!isEmpty && !source.hasPassed) {", "if (false) {")
  ),
  mutant(
    "a suspect that was passed on is given all the same",
    { scenario: "poison among long runs", seed: 1 },
    cut(store, "if (demand.count > 0 && queue.suspects", "if (queue.suspects")
  ),
  mutant(
    "others are claimed beside a suspect",
    { seed: 2 },
    cut(fetcher, "yield* Effect.timeoutOption(emptied, aloneFor * lease)")
  ),
  mutant(
    "records are not looked up",
    { seed: 7 },
    cut(
      runs,
      "if (held.delivery.crashes > 0 && recordOf !== undefined)",
      "if (held.delivery.crashes < 0 && recordOf !== undefined)"
    )
  ),
  mutant("poison is never dead", { seed: 2 }, cut(admission, "if (lost >= (", "if (lost >= 1000 + (")),
  mutant(
    "early ones run again",
    { seed: 4 },
    cut(admission, "if (crashes > 0 && runsOnce(message, policies)) {", "if (false) {")
  ),
  mutant(
    "late ones start",
    { seed: 2 },
    cut(admission, 'if (hasExpired(message, options.now)) return refused({ _tag: "Expired" }, message, policies)')
  ),
  mutant(
    "waiting ones are not given back",
    { seed: 14 },
    cut(runs, "this.release(this.holdings.dequeueAll())", "this.holdings.dequeueAll()")
  ),
  mutant(
    "no tombstone",
    { seed: 1 },
    cut(
      settler,
      "return { ...settlement, disposition: { ...disposition, record } }",
      "return { ...settlement, disposition: { ...disposition, record: record.ttl > 0 ? undefined : record } }"
    )
  ),
  mutant(
    "settle before the record",
    { seed: 19 },
    cut(
      settler,
      "if (commits.length > 0) yield* results.commit(commits)",
      "const early = yield* settle(settlements.map((one) => withoutRecord(one, dedupeWindow)))\n      if (early.length === 0) return early\n      if (commits.length > 0) yield* results.commit(commits)"
    )
  ),
  mutant(
    "a settle that got no answer is not sent again",
    { seed: 5 },
    cut(settler, 'Effect.retry({ schedule: again, while: (error) => error.reason._tag !== "ConsumerLost" }),')
  ),
  mutant(
    "expiry ends without the record",
    { seed: 4 },
    cut(
      housekeeping,
      "all.map(({ id, queue, record }) => ({ id, queue, record })),",
      "all.map(({ id, queue }) => ({ id, queue })),"
    )
  ),
  mutant("a batch is not marked when it is sent again", { seed: 2 }, cut(publisher, "          resend = true\n")),
  mutant(
    "a batch that is sent again is a new one",
    { seed: 15 },
    cut(publisher, "broker.publish({ ...batch, resend })", "broker.publish({ ...batch, sequence: ++sequence, resend })")
  ),
  mutant(
    "the first answer is forgotten",
    { seed: 91 },
    cut(publisher, 'if (error.reason._tag === "Unavailable" && error.reason.accepted === "maybe") maybe = true')
  ),
  mutant(
    "a revoke believes that it came first",
    { scenario: "revoked at its end", seed: 1 },
    cut(
      replies,
      "if (!(yield* commit(address, record)) && !(yield* isRevoked)) return false",
      "yield* commit(address, record)"
    )
  ),
  mutant(
    "a revoke whose reply was lost is taken for a failure",
    { seed: 2 },
    cut(replies, 'return reply === "ended" || (reply === "absent" && (yield* isRevoked))', 'return reply === "ended"')
  )
]
