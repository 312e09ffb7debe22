import kernelAliasWrite from '../../../src/scenarios/flush/kernel-alias-write.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(kernelAliasWrite);
