#!/usr/bin/env node
/** The `celeriac` command. */
import { run } from "./celeriac.ts"
import { runMain } from "./main.ts"

runMain(run(process.argv.slice(2)))
