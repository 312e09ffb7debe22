/** Worker of the pool that runs the units of campaigns. */
export { runUnits } from '../src/campaign/unit-task.ts';
