/**
 * Redis layers for Celeriac.
 *
 * @since 0.1.0
 */
export * as CeleriacRedis from "./CeleriacRedis.ts"
export * as RawTask from "./RawTask.ts"
export * as RedisError from "./RedisError.ts"
export * as RedisServer from "./RedisServer.ts"
