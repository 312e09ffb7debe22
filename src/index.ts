/** What a library user needs: machines, platforms, programs, the checker, hosts, scenarios, measurements. */
export { Checker, type CheckerOptions } from './checker/checker.ts';
export { explain, type StuckCpu } from './checker/explain.ts';
export type { Explanation, ExplanationLine } from './checker/explanation.ts';
export { type FindingKind, type FindingRecord, findingKinds } from './checker/finding.ts';
export type { Budgets } from './explore/execution.ts';
export { type ExploreReport, type Strategy, strategies } from './explore/explorer.ts';
export type { Failure } from './explore/shard.ts';
export type { Shrunk } from './explore/shrink.ts';
export { decodeToken, encodeToken, type Replay, TokenError } from './explore/token.ts';
export type { CpuResult, Job, Outcome, RunResult, Unfinished } from './hosts/job.ts';
export { runLockstep } from './hosts/lockstep.ts';
export type { Recording } from './hosts/recording.ts';
export { ClockFirst } from './hosts/schedulers/clock-first.ts';
export { RandomWalk } from './hosts/schedulers/random.ts';
export { RoundRobin } from './hosts/schedulers/round-robin.ts';
export type { Scheduler, SchedulerView } from './hosts/schedulers/scheduler.ts';
export { loadWorkload } from './hosts/session.ts';
export { ThreadsHost } from './hosts/threads.ts';
export type { AddressSpace } from './kernel/address-space.ts';
export type { BootMemory } from './kernel/boot-memory.ts';
export { type BootPage, bootInto, bootMap } from './kernel/boot-process.ts';
export {
  Kernel,
  type KernelLayout,
  type KernelPolicy,
  layKernel,
  NOTE,
  READ_WRITE,
  USED,
} from './kernel/kernel.ts';
export { layTables } from './kernel/page-table.ts';
export { type SpinLock, spinLock, spinUnlock } from './kernel/spin-lock.ts';
export type { FlushPolicy, Mechanism as FlushMechanism } from './kernel/tlb-flush.ts';
export { LockstepPool } from './lab/lockstep-pool.ts';
export type { LockstepTask } from './lab/lockstep-task.ts';
export {
  jobOf,
  makePlan,
  type Plan,
  type PlanRequest,
  type RunLimits,
  type Verdict,
  verdictOf,
} from './lab/plan.ts';
export { type SchedulerName, schedulerNames } from './lab/schedulers.ts';
export {
  type Counterexample,
  defaultBudgets,
  type Found,
  NotReproducible,
  recordedExample,
  type SearchOptions,
  search,
  type Witness,
} from './lab/search.ts';
export {
  type CostCell,
  type CostLimits,
  type CostRow,
  costCells,
  costJob,
  costRow,
  type Mechanism,
  measureLockstep,
  measureThreads,
  mechanisms,
} from './lab/shootdown-cost.ts';
export { PTE } from './machine/attributes.ts';
export {
  Cpu,
  type Fault,
  type GuestEntry,
  type GuestRegisters,
  type GuestTraps,
  type MemoryTypes,
  SegmentationFault,
  type Stage2Fault,
  type Steps,
  type Trap,
  type Vectors,
} from './machine/cpu.ts';
export { bootTable, Device, DeviceFault } from './machine/device.ts';
export { Machine, type MachineOptions } from './machine/machine.ts';
export {
  type AgentName,
  agentNames,
  type CostName,
  PAGE_BYTES,
  type Platform,
  type PlatformInput,
  platformSchema,
} from './machine/platform.ts';
export { parsePlatform } from './machine/platform-checks.ts';
export { type CounterName, counterNames } from './machine/registers.ts';
export {
  TLBI_ALL,
  TLBI_ASID,
  TLBI_GUESTS,
  TLBI_IPA,
  TLBI_VA,
  TLBI_VA_ALL_ASIDS,
  TLBI_VA_LAST_LEVEL,
  TLBI_VMID,
  TLBI_VMID_STAGE1,
} from './machine/tlb.ts';
export { platformByName, platformJsonSchema, platforms } from './platforms/index.ts';
export type {
  Parameters,
  ProgramContext,
  ProgramSource,
  Settings,
  StartedProgram,
  Workload,
} from './program/workload.ts';
export { type DefinedScenario, defineScenario, type ScenarioDefinition } from './scenarios/define.ts';
export { findScenario, scenarios } from './scenarios/index.ts';
export { loadScenario } from './scenarios/load-scenario.ts';
export {
  findVariant,
  type ParameterSpec,
  type ReachableState,
  resolveParameters,
  type Scenario,
  ScenarioError,
  type SmallSize,
  type Variant,
  type VariantRun,
} from './scenarios/scenario.ts';
