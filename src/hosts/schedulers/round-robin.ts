/** CPUs in turn; after each round the hardware delivers or drains one thing. */
import { progressAction, type Scheduler, type SchedulerView } from './scheduler.ts';

export class RoundRobin implements Scheduler {
  readonly name = 'round-robin';
  private last = -1;
  private agentTurn = 0;

  next(view: SchedulerView): number {
    const n = view.runners.length;
    for (let i = 1; i <= n; i++) {
      const cpu = (this.last + i) % n;
      if (cpu <= this.last) {
        const choice = this.agent(view);
        if (choice >= 0) {
          this.last = cpu - 1;
          return choice;
        }
      }
      if (!view.runners[cpu].isReady()) continue;
      this.last = cpu;
      return cpu;
    }
    return this.agent(view);
  }

  private agent(view: SchedulerView): number {
    this.agentTurn = (this.agentTurn + 1) % view.cpus.length;
    return progressAction(view, this.agentTurn);
  }
}
