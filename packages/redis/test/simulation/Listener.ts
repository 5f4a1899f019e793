/** The subscriptions of all simulated processes on one connection, and the way to know that nothing is under way to it. */
import type { Notifier, Subscriber } from "celeriac/Notifier"
import * as Effect from "effect/Effect"
import type { Redis } from "ioredis"

export class Listener {
  private readonly commands: Redis
  private readonly pushes: Redis
  private readonly channels: string
  private readonly subscribers = new Map<string, Set<Subscriber>>()
  /** Subscriptions that the server has not confirmed: no command may be carried out before. */
  private readonly pending = new Set<Promise<unknown>>()
  private markers = 0
  private readonly waiting = new Map<string, () => void>()
  private readonly marker: string

  /** `channels`: in front of every channel's name. */
  constructor(commands: Redis, pushes: Redis, channels: string) {
    this.commands = commands
    this.pushes = pushes
    this.channels = channels
    this.marker = `marker:${channels}`
    pushes.on("message", (channel: string, message: string) => {
      if (channel === this.marker) {
        this.waiting.get(message)?.()
        return
      }
      for (const { onMessage } of this.subscribers.get(channel) ?? []) onMessage(message)
    })
    this.await(pushes.subscribe(this.marker))
  }

  /** Nobody listens any more. */
  clear(): void {
    for (const channel of this.subscribers.keys()) this.await(this.pushes.unsubscribe(channel))
    this.subscribers.clear()
  }

  get settled(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.pending.size === 0) return Effect.void
      return Effect.asVoid(Effect.promise(() => Promise.all(this.pending)))
    })
  }

  /** When all that was pushed before has come out. */
  async drained(): Promise<void> {
    await Promise.all(this.pending)
    const text = String(++this.markers)
    await new Promise<void>((resolve) => {
      this.waiting.set(text, resolve)
      void this.commands.publish(this.marker, text)
    })
    this.waiting.delete(text)
  }

  readonly notifier: Notifier["Service"] = {
    subscribe: (channel, subscriber) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => this.enter(this.channels + channel, subscriber)),
          () => Effect.sync(() => this.leave(this.channels + channel, subscriber))
        )
      ),
    publish: (channel, message) =>
      Effect.andThen(
        this.settled,
        Effect.sync(() => this.await(this.commands.publish(this.channels + channel, message)))
      )
  }

  /** Before the next command. When the connection is closed nobody waits for it any more, and it may fail. */
  private await(answer: Promise<unknown>): void {
    const ended = () => void this.pending.delete(answer)
    answer.then(ended, ended)
    this.pending.add(answer)
  }

  private enter(name: string, subscriber: Subscriber): void {
    const others = this.subscribers.get(name)
    if (others !== undefined) others.add(subscriber)
    else {
      this.subscribers.set(name, new Set([subscriber]))
      this.await(this.pushes.subscribe(name))
    }
    subscriber.onReset()
  }

  private leave(name: string, subscriber: Subscriber): void {
    const others = this.subscribers.get(name)
    if (others === undefined || !others.delete(subscriber) || others.size > 0) return
    this.subscribers.delete(name)
    this.await(this.pushes.unsubscribe(name))
  }
}
