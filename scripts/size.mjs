// What `import "celeriac"` costs: its size without effect, and that it loads nothing but effect.
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"
import { report, root } from "./process.mjs"

const LIMIT = 60_000 // bytes, minified and compressed

const bundle = async (file) => {
  const build = await rolldown({
    input: join(root, "packages/celeriac/dist", file),
    external: (id) => !id.startsWith(".") && !id.startsWith("/") && !/^[A-Z]:/i.test(id),
    logLevel: "silent"
  })
  const { output } = await build.generate({ format: "esm", minify: true })
  await build.close()
  return {
    bytes: gzipSync(output.map((chunk) => chunk.code ?? "").join("")).length,
    foreign: output
      .flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports])
      .filter((id) => !/^effect(\/|$)/.test(id) && !output.some((chunk) => chunk.fileName === id))
  }
}

const problems = []
const measure = async (name, file) => {
  const { bytes, foreign } = await bundle(file)
  if (foreign.length > 0) problems.push(`"${name}" may import nothing but effect, and imports ${foreign.join(", ")}`)
  return bytes
}
const bytes = await measure("celeriac", "index.js")
await measure("celeriac/testing", "testing/index.js")
if (bytes > LIMIT) problems.push(`import "celeriac" is ${bytes} bytes, more than ${LIMIT}`)
report(problems, `${(bytes / 1000).toFixed(1)} kB of ${LIMIT / 1000} kB, imports effect only`)
