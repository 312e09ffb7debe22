import dmaStreaming from '../../../src/scenarios/flush/dma-streaming.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(dmaStreaming);
