import { platforms } from '../../src/platforms/index.ts';
import { conforms, lockstepHost } from './suite.ts';

for (const platform of Object.values(platforms)) conforms(platform, lockstepHost());
