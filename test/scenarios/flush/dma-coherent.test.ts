import dmaCoherent from '../../../src/scenarios/flush/dma-coherent.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(dmaCoherent);
