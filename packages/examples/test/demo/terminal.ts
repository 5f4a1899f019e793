/** A terminal that remembers what it shows: as much of one as the display uses. */
import { Writable } from "node:stream"

const escape = "\u001b"

export class Terminal extends Writable {
  readonly isTTY = true
  readonly columns: number
  readonly rows: number
  cursorIsVisible = true
  /** All lines since the beginning; those that scrolled out as well. */
  private readonly shown: Array<string> = [""]
  private row = 0
  private column = 0

  constructor(columns: number, rows: number) {
    super({ decodeStrings: false })
    this.columns = columns
    this.rows = rows
  }

  get lines(): ReadonlyArray<string> {
    return this.shown.map((line) => line.trimEnd())
  }

  override _write(text: string, _: unknown, done: () => void): void {
    const [plain = "", ...rest] = text.split(escape)
    this.put(plain)
    for (const part of rest) {
      const [sequence, argument = "", command] = /^\[([?\d;]*)([A-Za-z])/.exec(part) ?? []
      this.obey(command, argument)
      this.put(part.slice(sequence?.length))
    }
    done()
  }

  private obey(command: string | undefined, argument: string): void {
    const count = Number(argument) || 1
    switch (command) {
      case "A":
        return this.move(this.row - count, this.column)
      case "B":
        return this.move(this.row + count, this.column)
      case "G":
        return this.move(this.row, count - 1)
      case "K":
        this.shown[this.row] = argument === "2" ? "" : this.line.slice(0, this.column)
        return
      case "J":
        this.shown.splice(this.row + 1)
        this.shown[this.row] = this.line.slice(0, this.column)
        return
      case "h":
      case "l":
        if (argument === "?25") this.cursorIsVisible = command === "h"
        return
      case "m":
        return
      default:
        throw new Error(`the display uses a sequence that this terminal does not know: ${argument}${command}`)
    }
  }

  private get line(): string {
    return this.shown[this.row] ?? ""
  }

  private move(row: number, column: number): void {
    if (row < 0) throw new Error("the cursor left the screen")
    this.row = row
    this.column = column
    while (this.shown.length <= row) this.shown.push("")
  }

  private put(text: string): void {
    for (const character of text) {
      if (character === "\n") {
        this.move(this.row + 1, 0)
        continue
      }
      if (this.column === this.columns) throw new Error(`a line is longer than ${this.columns}: ${this.line}`)
      this.shown[this.row] =
        this.line.slice(0, this.column).padEnd(this.column) + character + this.line.slice(this.column + 1)
      this.column++
    }
  }
}
