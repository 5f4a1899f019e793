/**
 * The kit for tests: of programs that use tasks, and of drivers.
 *
 * @since 0.1.0
 */
export * as Conformance from "./Conformance.ts"
export * as Faults from "./Faults.ts"
export * as PayloadSnapshot from "./PayloadSnapshot.ts"
export * as Simulation from "./Simulation.ts"
export * as TaskTest from "./TaskTest.ts"
