import pageFlip from '../../../src/scenarios/flush/page-flip.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(pageFlip);
