/**
 * Runs a litmus test's thread on a CPU of the simulator, an instruction after the other through the CPU's
 * ordinary accesses: what is weak about it is what the machine's write buffers, TLBs, instruction caches and
 * broadcasts make of it, not the order of the instructions.
 */
import { CLEAN } from '../../machine/cache-maintenance.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../machine/cpu.ts';
import { STEP } from '../../machine/steps.ts';
import { TLBI_ALL, TLBI_VA_ALL_ASIDS } from '../../machine/tlb.ts';
import { labelWord } from '../core/code.ts';
import type { Program } from '../core/program.ts';
import { compute, holds } from '../core/window.ts';
import { kindOfWord, locationOfWord, offsetOfWord, payloadOf, WORD } from '../core/words.ts';
import { CONDITION, FENCE, KIND, type Operation, ORDER } from '../isa/operation.ts';
import { type Encoding, FAULTS, faultParts, faultWord, locationOfPage, positionOfLabel } from './place.ts';

/** What a fault is, in the order of `FAULT_TYPES` in outcome.ts. */
export const FAULT_TYPE = { TRANSLATION: 0, ACCESS_FLAG: 1, PERMISSION: 2, UNDEFINED: 3 } as const;
/** Instructions of one run: a loop that waits for somebody has an end. */
const MOST_INSTRUCTIONS = 400;

type Ending = 'ended' | 'given-up';

export class LitmusThread {
  readonly registers: Int32Array;
  readonly faults: number[] = [];
  private readonly cpu: Cpu;
  private readonly program: Program;
  private readonly encoding: Encoding;
  private readonly index: number;
  private pc = 0;
  private inHandler = false;

  constructor(cpu: Cpu, program: Program, encoding: Encoding) {
    this.cpu = cpu;
    this.program = program;
    this.encoding = encoding;
    this.index = cpu.index;
    this.registers = new Int32Array(program.registers.count);
  }

  /** Runs the thread once, from its first registers. */
  *run(): Steps<Ending> {
    const { program, index, registers } = this;
    const { layout, initial, code } = program;
    const from = layout.thread(index) + layout.registerFile;
    registers.set(initial.subarray(from, from + registers.length));
    this.faults.length = 0;
    this.inHandler = false;
    this.pc = code.entries[index];
    for (let n = 0; n < MOST_INSTRUCTIONS; n++) {
      const word = yield* this.fetch();
      const operation = word === undefined ? undefined : code.operation(word);
      if (operation?.kind === KIND.END) return 'ended';
      if (operation === undefined || operation.kind === KIND.UNDEFINED) {
        if (!this.except(FAULT_TYPE.UNDEFINED, -1)) return 'ended';
        continue;
      }
      try {
        yield* this.perform(operation);
      } catch (thrown) {
        if (!(thrown instanceof SegmentationFault)) throw thrown;
        const { kind } = thrown.fault;
        const types = { translation: FAULT_TYPE.TRANSLATION, 'access-flag': FAULT_TYPE.ACCESS_FLAG } as const;
        const type = kind === 'translation' || kind === 'access-flag' ? types[kind] : FAULT_TYPE.PERMISSION;
        const again =
          program.afterFault === 'retry' && this.faults.some((word) => faultParts(word).pc === this.pc);
        // A test that tries again tries once: a run that would need more says nothing.
        if (again && program.code.handlers[index] < 0) return 'given-up';
        if (!this.except(type, locationOfWord(this.address(operation)))) return 'ended';
      }
    }
    return 'given-up';
  }

  /** Number of the operation at the program counter; undefined if what is there is none. */
  private *fetch(): Steps<number | undefined> {
    const { program, pc } = this;
    if (program.codeCells[pc] < 0) return program.code.initial[pc];
    const word = (yield* this.cpu.fetch(this.encoding.codeVa(pc))) | 0;
    return kindOfWord(word) === WORD.INSTRUCTION ? payloadOf(word) : undefined;
  }

  /** Takes an exception. @returns false if that is the end of the thread */
  private except(type: number, location: number): boolean {
    const { program, index, faults } = this;
    const word = faultWord(this.pc, type, location);
    if (!faults.includes(word) && faults.length < FAULTS) faults.push(word);
    const handler = program.code.handlers[index];
    if (handler >= 0 && !this.inHandler) {
      if (program.returnRegister >= 0) this.registers[program.returnRegister] = labelWord(this.pc);
      this.inHandler = true;
      this.pc = handler;
      return true;
    }
    if (program.afterFault === 'end') return false;
    if (program.afterFault === 'skip') this.pc++;
    return true;
  }

  private value(register: number): number {
    return register < 0 ? 0 : this.registers[register];
  }

  private set(register: number, value: number): void {
    if (register > 0) this.registers[register] = value;
  }

  private address({ base, index, shift, offset, writeback }: Operation): number {
    const at = (this.value(base) + (this.value(index) << shift)) | 0;
    return writeback === 'post' ? at : (at + offset) | 0;
  }

  private *perform(operation: Operation): Steps {
    const { cpu } = this;
    const { kind } = operation;
    let next = this.pc + 1;
    switch (kind) {
      case KIND.COMPUTE: {
        const { a, b, flags, to } = operation;
        this.set(to, compute(operation, this.value(a), this.value(b), this.value(flags)));
        break;
      }
      case KIND.LOAD:
      case KIND.STORE:
      case KIND.SWAP:
        yield* this.access(operation);
        break;
      case KIND.FENCE:
        if (operation.isSynchronization) yield* cpu.dsb();
        // Loads are done in order, and stores leave the buffer in order.
        else if (operation.fence === FENCE.FULL) yield* cpu.dmb();
        break;
      case KIND.ISB:
        yield* cpu.isb();
        break;
      case KIND.TLBI:
        yield* this.invalidateTlb(operation);
        break;
      case KIND.DC:
      case KIND.IC:
        yield* this.maintain(operation);
        break;
      case KIND.JUMP:
        this.set(operation.to, labelWord(next));
        next = this.relative(operation);
        break;
      case KIND.BRANCH:
        if (this.isTaken(operation)) next = this.relative(operation);
        break;
      case KIND.INDIRECT: {
        const target = positionOfLabel(this.value(operation.a));
        this.set(operation.to, labelWord(next));
        next = target;
        break;
      }
      case KIND.ERET:
        next = positionOfLabel(this.value(operation.a));
        this.inHandler = false;
        yield* cpu.isb();
    }
    this.pc = next;
  }

  private relative({ target }: Operation): number {
    return this.pc + Number(target) / 4;
  }

  private isTaken({ condition, a, flags }: Operation): boolean {
    const isOfRegister = condition === CONDITION.ZERO || condition === CONDITION.NOT_ZERO;
    return holds(condition, this.value(isOfRegister ? a : flags));
  }

  private *access(operation: Operation): Steps {
    const { kind, order, to, data, base, offset, writeback } = operation;
    const address = this.address(operation);
    // A release that is still buffered would otherwise be passed by the acquire.
    if ((order & ORDER.ACQUIRE) !== 0) yield* this.cpu.dmb();
    if (operation.isExclusive) yield* this.exclusive(operation, address);
    else if (kind === KIND.LOAD) this.set(to, yield* this.load(address));
    else if (kind === KIND.STORE) yield* this.store(address, this.value(data));
    else {
      const old = yield* this.modify(address, operation);
      this.set(to, old);
    }
    if (writeback !== 'none') this.set(base, writeback === 'post' ? (address + offset) | 0 : address);
  }

  /** Of data or code: those of table entries are refused beforehand. */
  private *exclusive({ kind, to, data }: Operation, address: number): Steps {
    const { cpu, encoding } = this;
    const at = virtualOf(address, encoding);
    if (kind === KIND.LOAD) this.set(to, (yield* cpu.loadExclusive(at)) | 0);
    else this.set(to, (yield* cpu.storeExclusive(at, this.value(data) >>> 0)) ? 0 : 1);
  }

  private *load(address: number): Steps<number> {
    const { cpu, encoding } = this;
    const at = virtualOf(address, encoding);
    if (at >= 0) return (yield* cpu.load(at)) | 0;
    const location = locationOfWord(address);
    return encoding.wordOfEntry((yield* cpu.loadPhysical(encoding.entryPa(location))) >>> 0);
  }

  private *store(address: number, word: number): Steps {
    const { cpu, encoding } = this;
    const at = virtualOf(address, encoding);
    if (at >= 0) yield* cpu.store(at, word >>> 0);
    else yield* cpu.storePhysical(encoding.entryPa(locationOfWord(address)), encoding.entryOf(word));
  }

  private *modify(address: number, operation: Operation): Steps<number> {
    const { cpu, encoding } = this;
    const expected = operation.expected < 0 ? undefined : this.value(operation.expected);
    const data = this.value(operation.data);
    const change = (old: number) =>
      expected !== undefined && old !== expected
        ? old
        : compute({ ...operation, b: 1, shift: 0 }, old, data, 0);
    const at = virtualOf(address, encoding);
    if (at >= 0) return (yield* cpu.modify(at, (old) => change(old | 0) >>> 0)) | 0;
    const ptePa = encoding.entryPa(locationOfWord(address));
    const old = yield* cpu.modifyPhysical(ptePa, (entry) =>
      encoding.entryOf(change(encoding.wordOfEntry(entry >>> 0))),
    );
    return encoding.wordOfEntry(old >>> 0);
  }

  private *invalidateTlb({ isOfAll, isLocal, base }: Operation): Steps {
    const { cpu, encoding } = this;
    const kind = isOfAll ? TLBI_ALL : TLBI_VA_ALL_ASIDS;
    const va = isOfAll ? 0 : encoding.dataVa(locationOfPage(this.value(base)), 0);
    yield* isLocal ? cpu.tlbiLocal(kind, va, 1, 0) : cpu.tlbiBroadcast(kind, va, 1, 0);
  }

  /** DC CVAU and IC IVAU: of code, or of data, which no instruction fetch sees. */
  private *maintain({ kind, isOfAll, base }: Operation): Steps {
    const { cpu, encoding } = this;
    const { caches } = cpu.machine;
    const word = this.value(base);
    const isCode = kindOfWord(word) === WORD.LABEL;
    const pc = positionOfLabel(word);
    const va = isCode ? encoding.codeVa(pc) : encoding.dataVa(locationOfWord(word), 0);
    const pa = isCode ? encoding.codePa(pc) : encoding.dataPa(locationOfWord(word), 0);
    // The caches are physically indexed: a clean needs no virtual address.
    if (kind === KIND.DC) yield* cpu.maintainPhysical(pa, CLEAN, 'unification');
    else {
      yield STEP;
      if (isOfAll) caches.fetchAllStep(cpu.hw);
      else caches.fetchByAddressStep(cpu.hw, va, pa);
    }
  }
}

/** The virtual address of data or code; -1 for that of a table entry, which is reached past translation. */
function virtualOf(word: number, encoding: Encoding): number {
  switch (kindOfWord(word)) {
    case WORD.VIRTUAL:
      return encoding.dataVa(locationOfWord(word), offsetOfWord(word));
    case WORD.LABEL:
      return encoding.codeVa(positionOfLabel(word));
    default:
      return -1;
  }
}
