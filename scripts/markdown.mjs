// Finds the programs in a document.
//
// A fence that starts with ```ts is a complete program. Words after `ts` change that:
//   continue           goes on where the program before it ended
//   file=tasks.ts      is written under this name, so that its neighbours can import "./tasks.ts"; with a name that ends
//                      in .test.ts it is run by vitest
//   group=basics       shares a folder with the other programs of this group; without it, with the rest of the document
//   norun              is type-checked only (it needs a server, or runs for ever)
//   nocheck            is left alone: for what must not compile, or is no whole program
// A line `// => text` promises that the program prints the line `text`: each such line once, in the order of the document.
import { join } from "node:path"

/** The fences of a document, each with the number of its first line of code. */
const fences = (document, text) => {
  const found = []
  let open
  for (const [index, line] of text.split("\n").entries()) {
    const [, indent, ticks, info] = /^( *)(`{3,}) *(.*?) *$/.exec(line) ?? []
    if (open && ticks === open.ticks && info === "") {
      found.push(open)
      open = undefined
    } else if (open) {
      open.code.push(line.slice(open.indent))
    } else if (ticks) {
      open = { line: index + 2, indent: indent.length, ticks, words: info.split(/ +/), code: [] }
    }
  }
  if (open) throw new Error(`${document}:${open.line - 1}: this fence has no end`)
  return found.filter(({ words }) => words[0] === "ts")
}

const emptyLines = (count) => Array.from({ length: count }, () => "")

/** The programs of a document. Code keeps its line number, so that a compiler's message points into the document. */
export const programs = (document, text) => {
  const found = []
  let skipped = 0
  for (const { code, line, words } of fences(document, text)) {
    const option = (name) => words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1)
    const last = found.at(-1)
    if (words.includes("nocheck")) {
      skipped += 1
    } else if (words.includes("continue") && last) {
      last.lines.push(...emptyLines(line - 1 - last.lines.length), ...code)
    } else {
      const [group, file] = [option("group"), option("file")]
      found.push({
        document,
        line,
        path: join(document.replace(/\.md$/, ""), group ?? "", file ?? `line-${line}.ts`),
        standalone: group === undefined && file === undefined,
        norun: words.includes("norun"),
        lines: [...emptyLines(line - 1), ...code]
      })
    }
  }
  return { found, skipped }
}

/** The first promise of a program that its output does not keep, in a sentence. What it prints besides may stand between. */
export const brokenPromise = ({ document, lines }, stdout) => {
  const printed = stdout.split("\n").map((text) => text.trim())
  let next = 0
  for (const [index, text] of lines.entries()) {
    const promised = /^\s*\/\/ => (.*)$/.exec(text)?.[1].trim()
    if (promised === undefined) continue
    const at = printed.indexOf(promised, next)
    if (at === -1) {
      const where = printed.includes(promised) ? "printed that not again, or not in this order" : "did not print that"
      return `${document}:${index + 1} promises "${promised}", and the program ${where}`
    }
    next = at + 1
  }
  return undefined
}
