/**
 * A guest empties its caches by set and way, as if they were its own: before it turns them off, to read past them
 * what it has written, and before it turns them on, so as not to find what was there before. Between any two of its
 * steps its vCPU may be on another CPU of the host, and is here each time. What the hypervisor makes of the
 * operations is the variant.
 *
 * The mail of December 2017 itself could not be read; what is here of the thread is from what came of it: the commits
 * of Xen and KVM that the emulations name, and the comments of both above their functions.
 */
import type { Checker } from '../../checker/checker.ts';
import { VMID_RULE } from '../../checker/vmid-rules.ts';
import { STAGE2_RAM } from '../../hypervisor/boot-vm.ts';
import { Hypervisor, type HypervisorLayout } from '../../hypervisor/hypervisor.ts';
import { emulationVectors } from '../../hypervisor/set-way/emulation.ts';
import type { Preemption } from '../../hypervisor/set-way/flush-guest.ts';
import { Vcpu } from '../../hypervisor/vcpu.ts';
import { USED } from '../../kernel/kernel.ts';
import { setWayLevels } from '../../kernel/set-way.ts';
import { PTE } from '../../machine/attributes.ts';
import { FLUSH } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { bootSharedTable, Device, DeviceFault } from '../../machine/device.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { STEP } from '../../machine/steps.ts';
import { type Turn, takeTurns } from '../flush/turns.ts';
import { emptyBySetWay, inGuest } from './decompressor.ts';
import { defineHypervisorScenario, type HypervisorVariant } from './define-hypervisor.ts';
import { layOneGuest } from './one-guest.ts';
import { emulationOf, setWayEmulations, withoutEmulation } from './set-way-emulations.ts';
import { smallerCaches } from './small-caches.ts';

interface Layout {
  readonly host: HypervisorLayout;
  readonly turnPa: number;
  /** Intermediate addresses, which are virtual ones as well: a word in each of some lines. */
  readonly data: readonly number[];
}

/** For its tables of stage 1. */
const TABLE_PAGES = 5;
const DATA_PAGES = 2;
const LINES_A_PAGE = 4;
/** That the guest never uses. */
const IDLE_PAGES = 2;
/** Values of a round that the guest stores with caches on, and with caches off. */
const ON = 0x100;
const OFF = 0x200;
/** CPUs, the guest's device among them, where a vCPU can leave one for another. */
const TWO_AND_DEVICE = 3;
const PINNED = 'to-the-letter-pinned';

const variants: readonly HypervisorVariant[] = [
  ...Object.keys(setWayEmulations).map((name) => ({
    name,
    title: emulationOf(name).title,
    ...(name === 'forced-write-back' && { platform: 'neoverse-v1' }),
    ...(emulationOf(name).needsElsewhere && { minCpus: TWO_AND_DEVICE }),
    unsupported: (platform: Parameters<HypervisorVariant['expectOn']>[0]) => withoutEmulation(name, platform),
    expectOn: emulationOf(name).expectOn,
  })),
  {
    name: PINNED,
    title: 'executes the operation on the one CPU that the vCPU ever runs on: enough, but for a system cache',
    platform: 'neoverse',
    unsupported: (platform) => withoutEmulation('to-the-letter', platform),
    expectOn: setWayEmulations['to-the-letter'].expectPinned,
  },
];

export default defineHypervisorScenario<Layout>({
  name: 'set-way-emulation',
  title: 'A guest empties its caches by set and way, and its hypervisor makes something of it',
  source:
    'Julien Grall, "xen/arm: Handling cache maintenance instructions by set/way", xen-devel, December 2017; Xen xen/arch/arm/p2m.c, p2m_set_way_flush, p2m_flush_vm, p2m_invalidate_root, and commits "xen/arm: Implement Set/Way operations", "xen/arm: Track page accessed between batch of Set/Way operations", 2b45ff60301a; Linux arch/arm64/kvm/mmu.c, kvm_set_way_flush, and 3c1e71650833',
  module: import.meta.url,
  machineFor: smallerCaches,
  variants,
  cpus: 3,
  minCpus: 2,
  devices: 1,
  platform: 'cortex-a53',

  setup(machine, { variant }) {
    const { onDemand, device } = emulationFor(variant);
    const pages = TABLE_PAGES + DATA_PAGES + IDLE_PAGES;
    const options = { vcpus: 1, pages, permissions: onDemand ? 0 : STAGE2_RAM };
    const layout = layOneGuest(machine, options, (vm) => {
      const root = vm.stage1Root();
      const first = vm.pages(DATA_PAGES);
      vm.pages(IDLE_PAGES);
      const { lineBytes } = machine.platform;
      const data = Array.from(
        { length: DATA_PAGES * LINES_A_PAGE },
        (_, i) => first + (i % DATA_PAGES) * PAGE_BYTES + Math.floor(i / DATA_PAGES) * lineBytes,
      );
      for (let page = 0; page < DATA_PAGES; page++) {
        const ipa = first + page * PAGE_BYTES;
        vm.mapStage1(root, ipa, ipa, USED | PTE.WRITE);
      }
      vm.registers(0, root, 1);
      return { turnPa: vm.boot.line(), data };
    });
    if (device) bootSharedTable(machine, 0, layout.host.vms[0].root);
    return layout;
  },

  start({ machine, checker, cpu, layout }, { variant }) {
    const injected = { isUndefined: false };
    const emulation = emulationFor(variant).make({
      preemption: offAndElsewhere,
      undefined: () => {
        injected.isUndefined = true;
      },
    });
    const host = new Hypervisor(machine, layout.host, checker, emulation.policy);
    const turns = turnsOf(cpu, host, layout, String(variant), injected, checker);
    const vectors = host.vectors(emulationVectors(host, emulation));
    return { program: takeTurns(cpu, layout.turnPa, turns), vectors };
  },
});

function emulationFor(variant: unknown) {
  return emulationOf(variant === PINNED ? 'to-the-letter' : String(variant));
}

/** Somebody else always wants the CPU: a vCPU whose guest has just trapped goes off it, and on wherever it runs next. */
const offAndElsewhere: Preemption = {
  every: 1,
  *pending() {
    return true;
  },
  *yields(cpu) {
    return cpu.guestEntry === null;
  },
};

function turnsOf(
  cpu: Cpu,
  host: Hypervisor,
  { data }: Layout,
  variant: string,
  injected: { isUndefined: boolean },
  checker: Checker | null,
): Turn[] {
  const { processors } = cpu.machine.state;
  const guest = inGuest(cpu);
  const [firstLevel] = setWayLevels(cpu.machine.platform);
  const other = variant === PINNED ? 0 : processors.length - 1;
  const vcpu = new Vcpu(host, host.vms[0].layout, 0);
  const onCpu = (who: number, program: () => Steps): Turn => ({ who, act: () => vcpu.runOn(cpu, program) });

  /** What a guest does whose operation is undefined: it was told to use addresses. */
  function* empty(): Steps {
    yield* guest.setWay(firstLevel.level, 0, 0, FLUSH);
    if (!injected.isUndefined) yield* emptyBySetWay(guest);
    else for (const va of data) yield* cpu.maintainVirtual(va, FLUSH, 'coherency');
    yield* cpu.dsb();
  }

  function* use(value: number): Steps {
    for (const [i, va] of data.entries()) {
      // Some caches allocate a line for a load only; and it must find what was stored last.
      yield* cpu.load(va);
      yield* cpu.store(va, value + i);
    }
  }

  const round = (number: number): Turn[] => [
    onCpu(0, () => use(ON + number * 0x1000)),
    onCpu(0, () => guest.setWay(firstLevel.level, 0, 0, FLUSH)),
    onCpu(other, function* () {
      yield* empty();
      yield* guest.caches(false);
    }),
    onCpu(0, () => use(OFF + number * 0x1000)),
    onCpu(other, function* () {
      yield* empty();
      yield* guest.caches(true);
    }),
    onCpu(0, function* () {
      for (const va of data) yield* cpu.load(va);
    }),
  ];
  const { rounds = 1, device } = emulationFor(variant);
  const turns = Array.from({ length: rounds }, (_, number) => round(number + 1)).flat();
  if (!device) return turns;
  const transfer: Turn = { who: processors.length, act: () => read(cpu, data[0], checker) };
  return [...turns.slice(0, 3), transfer, ...turns.slice(3)];
}

/** The guest's device reads what the guest has written, at the guest's own address. */
function* read(cpu: Cpu, ipa: number, checker: Checker | null): Steps {
  const device = new Device(cpu);
  try {
    yield* device.read(ipa);
  } catch (error) {
    if (!(error instanceof DeviceFault) || checker === null) throw error;
    checker.violated(cpu.hw, VMID_RULE.DEVICE_FAULT, ipa >>> PAGE_SHIFT, device.number);
    // The run ends with the finding.
    yield STEP;
  }
}
