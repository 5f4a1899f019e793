/** JavaScript, without Effect: several exports. */
import { PromiseHandler, Task } from "celeriac"

export class Plain extends Task.make("plain", { queue: "plain" }) {}

export const PlainLive = PromiseHandler.toLayer(Plain, async () => {})

export const answer = 42
