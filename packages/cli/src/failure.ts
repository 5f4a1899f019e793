/** What a command cannot do, in words for whoever typed it. */
import * as Schema from "effect/Schema"

/**
 * Ends a command with a message and without a stack trace: it was foreseen.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandFailure extends Schema.TaggedError<CommandFailure>()("CommandFailure", {
  /** What is wrong. */
  detail: Schema.String,
  /** What to do about it. */
  advice: Schema.optionalKey(Schema.String),
  /** Where it happened, when that is in the user's own code. */
  trace: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.detail
  }
}
