import { bee } from "./bee/system.ts"
import { bullmq } from "./bullmq/system.ts"
import { celeriac } from "./celeriac/system.ts"
import { celery } from "./celery/system.ts"
import { floor } from "./floor/system.ts"
import type { System } from "./System.ts"

/** In the order of all tables. The first one is what the others are compared with. */
export const systems: ReadonlyArray<System> = [celeriac, bullmq, bee, celery, floor]
