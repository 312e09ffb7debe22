import badAlias from '../../../src/scenarios/flush/bad-alias.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(badAlias);
