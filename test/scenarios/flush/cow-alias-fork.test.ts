import cowAliasFork from '../../../src/scenarios/flush/cow-alias-fork.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(cowAliasFork);
